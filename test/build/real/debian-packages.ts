// Signed boot files of Debian, fetched by apt-get: 12 for shim, kernels and GRUB 2.06, 13 for GRUB 2.12. Nothing is installed.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../../..')
const cache = join(root, '.tmp/real')

export interface DebianPackage {
  readonly name: string
  readonly version: string
  readonly suite: 'bookworm' | 'trixie'
  readonly sha256: string
}

export interface RealFiles {
  readonly packages: readonly DebianPackage[]
  readonly shim: Uint8Array
  readonly mokManager: Uint8Array
  /** Measures the kernel twice. */
  readonly grub206: Uint8Array
  /** Measures the kernel once. */
  readonly grub212: Uint8Array
  readonly oldKernel: RealKernel
  readonly newKernel: RealKernel
}

export interface RealKernel {
  /** The number of Debian's build: 6.1.0-56-amd64 has 56. */
  readonly build: number
  readonly vmlinuz: Uint8Array
  /** By path below lib/modules/<release>; a handful. */
  readonly modules: ReadonlyMap<string, Uint8Array>
}

/** What the packages of the record were when it was written; apt may have newer ones. */
export const recordFile = join(root, 'fixtures/real-packages.json')

const modules = [
  'kernel/drivers/block/virtio_blk.ko',
  'kernel/drivers/net/virtio_net.ko',
  'kernel/fs/xfs/xfs.ko',
  'kernel/net/sctp/sctp.ko',
]

/** The build whose boots were recorded; taken as the old kernel while apt has it. */
const recordedBuild = 50

let fetched: RealFiles | undefined

/** Fetches what is not in `.tmp/real` yet. Throws an Error with the words of apt-get. */
export function realFiles(): RealFiles {
  fetched ??= fetch()
  return fetched
}

function fetch(): RealFiles {
  const builds = kernelBuilds()
  const newest = builds.at(-1)
  const old = builds.includes(recordedBuild) ? recordedBuild : builds.at(-2)
  if (newest === undefined || old === undefined || newest === old)
    throw new Error(
      'apt knows less than two signed kernels of Debian 12; is this Debian 12, and was apt-get update run?',
    )
  const shim = packageOf('shim-signed', 'bookworm')
  const helpers = packageOf('shim-helpers-amd64-signed', 'bookworm')
  const grub206 = packageOf('grub-efi-amd64-signed', 'bookworm')
  const grub212 = packageOf('grub-efi-amd64-signed', 'trixie')
  const kernels = [old, newest].map(build => ({
    build,
    file: packageOf(`linux-image-6.1.0-${build}-amd64`, 'bookworm'),
  }))
  const [oldKernel, newKernel] = kernels.map(({ build, file }) => realKernel(build, file))
  if (oldKernel === undefined || newKernel === undefined) throw new Error('two kernels were asked for')
  return {
    packages: [
      ...[shim, helpers, grub206, ...kernels.map(({ file }) => file)].map(file => describe(file, 'bookworm')),
      describe(grub212, 'trixie'),
    ],
    shim: fileOf(shim, 'usr/lib/shim/shimx64.efi.signed'),
    mokManager: fileOf(helpers, 'usr/lib/shim/mmx64.efi.signed'),
    grub206: fileOf(grub206, 'usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed'),
    grub212: fileOf(grub212, 'usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed'),
    oldKernel,
    newKernel,
  }
}

/** Build numbers of the signed 6.1 kernels that apt knows, ascending. */
function kernelBuilds(): number[] {
  const text = run('apt-cache', ['pkgnames', 'linux-image-6.1.0-'])
  return [...text.matchAll(/^linux-image-6\.1\.0-(\d+)-amd64$/gm)].map(match => Number(match[1])).sort((a, b) => a - b)
}

/** Path of the package file in the cache. */
export function packageOf(name: string, suite: DebianPackage['suite']): string {
  const directory = join(cache, suite)
  mkdirSync(directory, { recursive: true })
  const there = () => readdirSync(directory).find(file => file.startsWith(`${name}_`) && file.endsWith('.deb'))
  if (there() === undefined)
    run('apt-get', [...(suite === 'trixie' ? trixieOptions() : []), 'download', name], directory)
  const file = there()
  if (file === undefined) throw new Error(`apt-get did not leave a package file of ${name}`)
  return join(directory, file)
}

/** A source list, lists and caches of its own for Debian 13, at the host that this machine takes Debian from. */
function trixieOptions(): string[] {
  const directory = join(cache, 'apt')
  const sources = join(directory, 'sources.list')
  const options = [
    ['Dir::Etc::SourceList', sources],
    ['Dir::Etc::SourceParts', '-'],
    ['Dir::State::Lists', join(directory, 'lists')],
    ['Dir::Cache', join(directory, 'cache')],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`])
  if (existsSync(sources)) return options
  mkdirSync(join(directory, 'lists/partial'), { recursive: true })
  mkdirSync(join(directory, 'cache/archives/partial'), { recursive: true })
  const format = '$(CODENAME) $(REPO_URI)'
  const targets = run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages', 'Origin: Debian'])
  const address = targets
    .split('\n')
    .find(line => line.startsWith('bookworm '))
    ?.split(' ')[1]
  if (address === undefined) throw new Error('apt has no source of Debian 12 to take the address from')
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(sources, `deb [signed-by=${keyring}] ${address} trixie main\n`)
  run('apt-get', [...options, 'update'])
  return options
}

export function describe(file: string, suite: DebianPackage['suite']): DebianPackage {
  const field = (name: string) => run('dpkg-deb', ['--field', file, name]).trim()
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex')
  return { name: field('Package'), version: field('Version'), suite, sha256 }
}

function realKernel(build: number, file: string): RealKernel {
  const release = `6.1.0-${build}-amd64`
  const directory = `lib/modules/${release}`
  const [vmlinuz, ...found] = filesOf(file, [`boot/vmlinuz-${release}`, ...modules.map(path => `${directory}/${path}`)])
  if (vmlinuz === undefined) throw new Error(`no kernel in ${file}`)
  return { build, vmlinuz, modules: new Map(modules.map((path, index) => [path, found[index] ?? new Uint8Array()])) }
}

export function fileOf(file: string, path: string): Uint8Array {
  const [bytes] = filesOf(file, [path])
  if (bytes === undefined) throw new Error(`no ${path} in ${file}`)
  return bytes
}

/** Files of a package; what was unpacked stays in the cache. */
function filesOf(file: string, paths: readonly string[]): Uint8Array[] {
  const tree = file.replace(/\.deb$/, '')
  const missing = paths.filter(path => !existsSync(join(tree, path))).map(path => `./${path}`)
  if (missing.length > 0) {
    mkdirSync(tree, { recursive: true })
    const script = 'file=$1; tree=$2; shift 2; dpkg-deb --fsys-tarfile "$file" | tar --extract --directory "$tree" "$@"'
    run('sh', ['-c', script, 'sh', file, tree, ...missing])
  }
  return paths.map(path => new Uint8Array(readFileSync(join(tree, path))))
}

export function run(program: string, words: readonly string[], directory = root): string {
  const { status, stdout, stderr, error } = spawnSync(program, words, {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ${words.slice(0, 3).join(' ')}: exit status ${status}\n${stderr}`)
  return stdout
}
