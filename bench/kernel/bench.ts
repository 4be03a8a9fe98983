// The newest whole kernel of a repository with 60 MB of primary.xml: `check` of dist/ beside libsolv and createrepo_c, in turn.

import { makeBaseImage } from '../../test/build/base-image.ts'
import { serveFiles } from '../../test/build/file-server.ts'
import { startRegistry } from '../../test/build/registry.ts'
import { measure, type Used } from '../image/measure.ts'
import { spread } from '../pair.ts'
import { largeRepository } from './large-repository.ts'

const [megabytes = 60, rounds = 5] = process.argv.slice(2).map(Number)
/** Of design §6: seconds and MB for our side. CPU seconds decide, since others may use the machine. */
const most = { seconds: 2, megabytes: 200 }
const directory = import.meta.dirname

const base = await makeBaseImage({ seed: 'bench-kernel' })
const names = ['kernel', 'kernel-core', 'kernel-modules', 'kernel-modules-core', 'kernel-modules-extra']
const registry = await startRegistry()
registry.add('coreos', base.image, 'stable')

const ours = (url: string) => [
  ...[
    process.execPath,
    `${directory}/../../dist/cli.js`,
    'check',
    '--json',
    '--allow-insecure',
    'true',
    '--cache',
    'false',
  ],
  ...['--base-image', `${registry.host}/coreos:stable`, '--kernel-repositories', url, '--pools', 'worker'],
]
interface Reader {
  readonly name: string
  readonly command: (url: string) => readonly string[]
  readonly answer?: (stdout: string) => string
  /** Debian's createrepo_c 0.17 reads no zstd. */
  readonly only?: 'gz'
}

const readers: readonly Reader[] = [
  {
    name: '`check`, as a whole',
    command: ours,
    answer: (stdout: string) => JSON.parse(stdout).kernel.newest.replace(/\.x86_64$/, ''),
  },
  {
    name: 'libsolv (`python3-solv`)',
    command: (url: string) => ['/usr/bin/python3', `${directory}/with-libsolv.py`, url, ...names],
  },
  {
    name: 'createrepo_c (`python3-createrepo-c`)',
    command: (url: string) => ['/usr/bin/python3', `${directory}/with-createrepo.py`, url, ...names],
    only: 'gz',
  },
]

let failed = false
const fail = (text: string) => {
  failed = true
  process.stdout.write(`${text}\n`)
}
for (const compression of ['gz', 'zst'] as const) {
  const { files, openSize, packages, newest } = largeRepository(megabytes * 1e6, compression)
  const stored = [...files.values()].reduce((sum, { length }) => sum + length, 0)
  await using server = await serveFiles(files)
  process.stdout.write(
    `\nprimary.xml of ${(openSize / 1e6).toFixed(0)} MB, ${packages} packages, ${(stored / 1e6).toFixed(1)} MB as ${compression}; ${rounds} rounds\n\n`,
  )
  const runs = new Map<string, Used[]>()
  for (let round = 0; round <= rounds; round += 1)
    for (const { name, command, answer = (stdout: string) => stdout.trim() } of readers.filter(
      ({ only = compression }) => only === compression,
    )) {
      if (runs.get(name)?.length === 0) continue
      const used = await measure(command(server.url))
      const found = used.status === 0 ? answer(used.stdout) : undefined
      if (found !== newest) {
        runs.set(name, [])
        fail(`NOT RUN: ${name} ended with ${used.status} and said ${found ?? 'nothing'}, not ${newest}`)
        continue
      }
      // the first round does not count
      runs.set(name, round === 0 ? (runs.get(name) ?? []) : [...(runs.get(name) ?? []), used])
      if (round === 0) runs.delete(name)
    }
  process.stdout.write('| reader | CPU s | wall s | peak MB | CPU / ours |\n|---|---|---|---|---|\n')
  const column = (used: readonly Used[], value: (one: Used) => number, digits: number) => {
    const { least, median, most: largest } = spread(used.map(value))
    return { median, text: `${median.toFixed(digits)} (${least.toFixed(digits)}–${largest.toFixed(digits)})` }
  }
  const own = column(runs.get(readers[0]?.name ?? '') ?? [], ({ cpu }) => cpu, 2).median
  for (const [name, used] of runs) {
    if (used.length === 0) continue
    const cpu = column(used, one => one.cpu, 2)
    const wall = column(used, one => one.wall, 2)
    const peak = column(used, one => one.peak, 0)
    process.stdout.write(`| ${name} | ${cpu.text} | ${wall.text} | ${peak.text} | ${(cpu.median / own).toFixed(2)} |\n`)
    if (name !== readers[0]?.name) continue
    if (cpu.median > most.seconds) fail(`too slow: ${cpu.median.toFixed(2)} s of CPU, at most ${most.seconds}`)
    if (peak.median > most.megabytes) fail(`too much memory: ${peak.median.toFixed(0)} MB, at most ${most.megabytes}`)
  }
}
await registry.close()
process.exitCode = failed ? 1 : 0
