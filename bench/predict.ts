// Prediction beside the programs that do parts of it: npm run bench [-- RUNS]. See bench/README.md.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { buildSync } from 'esbuild'
import { banks, digestIn } from '../src/formats/bytes/digest.ts'
import { authenticodeDigests, authenticodeParts } from '../src/formats/pe/authenticode.ts'
import { parsePe } from '../src/formats/pe/pe.ts'
import { type Inputs, makeInputs } from './inputs.ts'
import { type Command, outputOf, pair, type Spread, spread } from './pair.ts'

const root = resolve(import.meta.dirname, '..')
const runs = Number(process.argv[2] ?? 11)
const node = process.execPath
const cli = join(root, 'dist/cli.js')
const measure = '/usr/lib/systemd/systemd-measure'

interface Row {
  readonly what: string
  readonly ours: Command
  readonly theirs: Command
  /** What both print for the same thing; the row is refused when they differ. */
  readonly result: (output: { readonly ours: string; readonly theirs: string }) => readonly [string[], string[]]
}

const say = (line: string) => process.stdout.write(`${line}\n`)
/** One command out of several; each word is quoted. */
const inShell = (...commands: readonly (readonly string[])[]): Command => [
  'sh',
  '-c',
  commands.map(words => words.map(word => `'${word}'`).join(' ')).join(' && '),
]
const pesignHash = (path: string) => ['pesign', '-h', '-i', path]
const pesignHashes = (text: string) => [...text.matchAll(/^hash: ([0-9a-f]{64})$/gm)].map(match => match[1] ?? '')

interface Document {
  readonly bootFiles: readonly { readonly role: string; readonly authenticode?: { readonly sha256?: string } }[]
  readonly predictions: readonly { readonly pcrs: Readonly<Record<string, { readonly sha256?: string }>> }[]
}

/** Authenticode digests of the files, in the order of the roles. */
function digestsOf(text: string, roles: readonly string[]): string[] {
  const { bootFiles }: Document = JSON.parse(text)
  return roles.map(role => bootFiles.find(file => file.role === role)?.authenticode?.sha256 ?? `no ${role}`)
}

function pcr11Of(text: string): string {
  const { predictions }: Document = JSON.parse(text)
  return predictions[0]?.pcrs['11']?.sha256 ?? 'no PCR 11'
}

/** One script, as users run it: what Node needs to read TypeScript would be measured otherwise. */
function bundled(name: string, directory: string): string {
  const outfile = join(directory, `${name}.mjs`)
  const entryPoints = [join(root, 'bench', `${name}.ts`)]
  buildSync({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node', logLevel: 'warning' })
  return outfile
}

function rowsFor(inputs: Inputs, authenticode: string): readonly Row[] {
  const { shim, grub, kernel, uki, sections, firmwareCertificate, vendorCertificate } = inputs
  const predict = ['predict', '--secure-boot', 'on', '--bank', 'sha256', '--json']
  const roles = ['shim', 'grub', 'kernel']
  const verify = (path: string, certificate: string) => ['sbverify', '--cert', certificate, path]
  const calculate = Object.entries(sections).map(([name, path]) => `--${name}=${path}`)
  return [
    {
      what: 'Authenticode digest of a 15 MB kernel, SHA-256 / `pesign -h`',
      ours: [node, authenticode, kernel, 'sha256'],
      theirs: ['pesign', '-h', '-i', kernel],
      result: ({ ours, theirs }) => [[ours.match(/^sha256: (.*)$/m)?.[1] ?? ''], pesignHashes(theirs)],
    },
    {
      what: '`predict` of a `dir:` source with shim, GRUB, a 15 MB kernel / `pesign -h` and `sbverify` of the three',
      ours: [node, cli, ...predict, '--image', `dir:${inputs.root}`],
      theirs: inShell(
        ...[shim, grub, kernel].map(pesignHash),
        verify(shim, firmwareCertificate),
        verify(grub, vendorCertificate),
        verify(kernel, vendorCertificate),
      ),
      result: ({ ours, theirs }) => [digestsOf(ours, roles), pesignHashes(theirs)],
    },
    {
      what: '`predict --boot-file` of the same three files / `pesign -h` and `sbverify` of the three',
      ours: [node, cli, ...predict, ...roles.flatMap(role => ['--boot-file', `${role}=${fileOf(inputs, role)}`])],
      theirs: inShell(
        ...[shim, grub, kernel].map(pesignHash),
        verify(shim, firmwareCertificate),
        verify(grub, vendorCertificate),
        verify(kernel, vendorCertificate),
      ),
      result: ({ ours, theirs }) => [digestsOf(ours, roles), pesignHashes(theirs)],
    },
    {
      what: '`predict` of a UKI of 45 MB: PCR 4 and 11 / `pesign -h`, `sbverify` and `systemd-measure calculate`',
      ours: [node, cli, ...predict, '--boot-file', `uki=${uki}`],
      theirs: inShell(pesignHash(uki), verify(uki, firmwareCertificate), [
        measure,
        'calculate',
        '--bank=sha256',
        '--phase=enter-initrd',
        ...calculate,
      ]),
      result: ({ ours, theirs }) => [
        [...digestsOf(ours, ['uki']), pcr11Of(ours)],
        [...pesignHashes(theirs), theirs.match(/11:sha256=([0-9a-f]{64})/)?.[1] ?? ''],
      ],
    },
  ]
}

function fileOf(inputs: Inputs, role: string): string {
  return role === 'shim' ? inputs.shim : role === 'grub' ? inputs.grub : inputs.kernel
}

const seconds = ({ median, least, most }: Spread) => `${median.toFixed(3)} (${least.toFixed(3)}–${most.toFixed(3)})`

function runRow({ what, ours, theirs, result }: Row): boolean {
  try {
    const [own, other] = result({ ours: outputOf(ours), theirs: outputOf(theirs) })
    if (own.join() !== other.join()) throw new Error(`different results: ${own.join(' ')} and ${other.join(' ')}`)
    const took = pair(ours, theirs, runs)
    const cells = [took.ours.cpu, took.theirs.cpu, took.ours.wall, took.theirs.wall].map(seconds)
    say(`| ${[what, ...cells, `${took.cpuRatio.toFixed(2)} / ${took.wallRatio.toFixed(2)}`].join(' | ')} |`)
    return true
  } catch (error) {
    say(`| ${what} | not measured: ${error instanceof Error ? error.message : String(error)} | | | | |`)
    return false
  }
}

/** The part of the work that is not Node's start, reading of modules and of files. */
function insideOneProcess(kernel: string): void {
  const bytes = new Uint8Array(readFileSync(kernel))
  const clock = (work: () => unknown) => {
    const took = Array.from({ length: runs + 1 }, () => {
      const start = performance.now()
      work()
      return performance.now() - start
    })
    const { median, least, most } = spread(took.slice(1))
    return `${median.toFixed(1)} (${least.toFixed(1)}–${most.toFixed(1)})`
  }
  say('\n| inside one process, 15 MB kernel | wall ms |\n|---|---|')
  say(`| read headers and sections | ${clock(() => parsePe(bytes, kernel))} |`)
  say(
    `| and Authenticode, SHA-256 | ${clock(() => digestIn('sha256', ...authenticodeParts(parsePe(bytes, kernel))))} |`,
  )
  say(`| and Authenticode, ${banks.join(', ')} | ${clock(() => authenticodeDigests(parsePe(bytes, kernel)))} |`)
}

const scratch = mkdtempSync(join(tmpdir(), 'attested-os-update-bench-'))
try {
  const inputs = makeInputs(scratch)
  say(
    `${cpus().length} processors, ${cpus()[0]?.model ?? 'unknown'}; Node ${process.version}; ${runs} runs each, in turn\n`,
  )
  say(
    '| ours / theirs | our CPU s | their CPU s | our wall s | their wall s | ratio CPU / wall |\n|---|---|---|---|---|---|',
  )
  const good = rowsFor(inputs, bundled('authenticode', scratch)).map(runRow)
  insideOneProcess(inputs.kernel)
  const start = pair([node, '-e', '0'], ['true'], runs).ours
  say(`\nNode's own start: ${seconds(start.cpu)} CPU s, ${seconds(start.wall)} wall s.`)
  if (good.includes(false)) process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
