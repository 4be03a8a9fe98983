// Boot files out of an image in a registry: this program in three ways, three others, and the floor; in turn, so that what else the machine does meets all.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DockerRegistry } from '../../test/build/docker-registry.ts'
import { spread } from '../pair.ts'
import { bootPaths, largeImage } from './large-image.ts'
import { writeLargeLayout } from './layout.ts'
import { measure, type Used } from './measure.ts'

const [megabytes = 2000, layers = 50, rounds = 3] = process.argv.slice(2).map(Number)
const scratch = mkdtempSync(join(tmpdir(), 'bench-image-'))
const at = (...names: readonly string[]) => join(scratch, ...names)
const root = join(import.meta.dirname, '../..')

interface Reader {
  readonly name: string
  /** Programs that must be there. */
  readonly programs: readonly string[]
  /** Shell words; `$out` is an empty directory for the files, `$work` one for all else, `$cache` a cache that has the image, `$host` the registry. */
  readonly script: string
  /** Whether the files land in `$out`. */
  readonly files: boolean
}

const large = largeImage(megabytes, layers)
const paths = bootPaths.map(path => `'${path}'`).join(' ')
const objects = large.bootObjects.map(path => `'${path}'`).join(' ')
const copies = (from: string) =>
  `for one in ${paths}; do mkdir -p "$out/$(dirname "$one")"; cp "${from}/$one" "$out/$one"; done`
const store = '--root "$work/root" --runroot "$work/run" --storage-driver overlay'
const node = `'${process.execPath}'`

/** Outside the repository; installed by its own module's name when it is not there. */
const craneDirectory = join(tmpdir(), 'bench-crane')
const crane = process.env.CRANE ?? join(craneDirectory, 'crane')

const ours = (tag: string, options: string) =>
  `${node} '${root}/dist/cli.js' boot-files --image "docker://$host/bench:${tag}" --allow-insecure --json --extract "$out" ${options}`

const readers: readonly Reader[] = [
  // without labels nothing says that there is a commit, so all layers are read
  { name: 'ours, cold, all layers', programs: [], script: ours('plain', '--cache=false'), files: true },
  { name: 'ours, cold, by the ostree commit', programs: [], script: ours('image', '--cache=false'), files: true },
  { name: 'ours, from the cache', programs: [], script: ours('plain', '--cache-directory "$cache"'), files: true },
  {
    name: '`podman pull`, mount, copy',
    programs: ['podman'],
    script: `podman ${store} pull --quiet --tls-verify=false "$host/bench:image"; mounted=$(podman ${store} image mount "$host/bench:image"); ${copies('$mounted')}`,
    files: true,
  },
  {
    name: '`skopeo copy`, `umoci unpack`, copy',
    programs: ['skopeo', 'umoci'],
    script: `skopeo copy --quiet --src-tls-verify=false "docker://$host/bench:image" "oci:$work/layout:image"; umoci unpack --image "$work/layout:image" "$work/bundle"; ${copies('$work/bundle/rootfs')}`,
    files: true,
  },
  {
    name: '`crane export`, `tar`',
    programs: [crane, 'tar'],
    script: `'${crane}' export --insecure "$host/bench:image" - | tar -x -C "$out" ${paths} ${objects}`,
    files: true,
  },
  {
    name: 'floor: Node fetches, hashes, gunzips, hashes',
    programs: [],
    script: `${node} '${import.meta.dirname}/floor.ts' "http://$host/v2/bench" image`,
    files: false,
  },
]

/** Passes bytes on to the registry and counts what comes back. */
async function countingProxy(target: string) {
  const counted = { bytes: 0, blobs: new Set<string>() }
  const [host = '', port = ''] = target.split(':')
  const server = createServer(client => {
    const upstream = connect(Number(port), host)
    client.on('data', chunk => {
      for (const [, digest = ''] of chunk.toString('latin1').matchAll(/GET \S+\/blobs\/(\S+) /g))
        counted.blobs.add(digest)
    })
    upstream.on('data', chunk => {
      counted.bytes += chunk.length
    })
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => client.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { counted, host: `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, close: () => server.close() }
}

function missing({ programs }: Reader): string | undefined {
  if (programs.includes(crane) && !existsSync(crane))
    spawnSync('go', ['install', 'github.com/google/go-containerregistry/cmd/crane@v0.20.6'], {
      env: { ...process.env, GOBIN: craneDirectory },
    })
  return programs.find(name => spawnSync('sh', ['-c', `command -v '${name}'`]).status !== 0)
}

const digests = (directory: string) =>
  bootPaths.map(path =>
    createHash('sha256')
      .update(readFileSync(join(directory, path)))
      .digest('hex'),
  )

/** Ours names files by role, not by path. */
const roles = ['shim', 'grub', 'kernel', 'initramfs', 'os-release']
const ourDigests = (directory: string) =>
  roles.map(role =>
    createHash('sha256')
      .update(readFileSync(join(directory, role)))
      .digest('hex'),
  )

async function once(reader: Reader, host: string): Promise<Used> {
  const [out, work] = [at('out'), at('work')]
  for (const directory of [out, work, join(work, 'root'), join(work, 'run')]) mkdirSync(directory)
  try {
    const used = await measure(['bash', '-euc', `set -o pipefail; ${reader.script}`], {
      ...process.env,
      out,
      work,
      host,
      cache: at('cache'),
    })
    if (used.status !== 0) throw new Error(`${reader.name} ends with ${used.status}`)
    if (reader.files) {
      const found = reader.name.startsWith('ours') ? ourDigests(out) : digests(out)
      expected ??= found
      if (found.join() !== expected.join()) throw new Error(`${reader.name}: other files than the first`)
    }
    return used
  } finally {
    const options = ['--root', join(work, 'root'), '--runroot', join(work, 'run'), '--storage-driver', 'overlay']
    if (reader.programs.includes('podman')) {
      spawnSync('podman', [...options, 'image', 'umount', '--all', '--force'])
      spawnSync('podman', [...options, 'rmi', '--all', '--force'])
    }
    for (const directory of [out, work]) rmSync(directory, { recursive: true, force: true })
  }
}

let expected: string[] | undefined
const registry = await DockerRegistry.start()
const proxy = await countingProxy(registry.host)
try {
  const image = await writeLargeLayout(at('layout'), large)
  for (const tag of ['image', 'plain'])
    execFileSync('skopeo', [
      'copy',
      '--quiet',
      '--preserve-digests',
      '--dest-tls-verify=false',
      `oci:${at('layout')}:${tag}`,
      `docker://${registry.host}/bench:${tag}`,
    ])
  rmSync(at('layout'), { recursive: true })
  const able = readers.filter(reader => {
    const absent = missing(reader)
    if (absent === undefined) return true
    process.stdout.write(`NOT RUN: ${reader.name}: ${absent} is not there\n`)
    process.exitCode = 1
    return false
  })
  process.stdout.write(
    `${layers} layers, ${(image.stored / 1e6).toFixed(0)} MB stored, ${(image.plain / 1e6).toFixed(0)} MB plain; `,
  )
  process.stdout.write(
    `${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}, ${rounds} rounds\n\n`,
  )
  for (const reader of able.filter(({ script }) => script.includes('$cache'))) await once(reader, proxy.host)
  const rows = new Map<Reader, (Used & { readonly read: number; readonly blobs: number })[]>()
  for (let round = 0; round < rounds; round += 1)
    for (const reader of able) {
      proxy.counted.bytes = 0
      proxy.counted.blobs.clear()
      const used = await once(reader, proxy.host)
      const row = { ...used, read: proxy.counted.bytes / 1e6, blobs: proxy.counted.blobs.size }
      rows.set(reader, [...(rows.get(reader) ?? []), row])
    }
  process.stdout.write(
    '| reader | CPU s | wall s | peak MB | MB read | blobs | CPU / first | wall / first |\n|---|---|---|---|---|---|---|---|\n',
  )
  const ours = [...rows.values()][0] ?? []
  for (const [reader, runs] of rows) {
    const text = (value: (one: (typeof runs)[number]) => number, digits: number) => {
      const { median, least, most } = spread(runs.map(value))
      return `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`
    }
    const ratio = (key: 'cpu' | 'wall') =>
      spread(runs.map((one, index) => one[key] / (ours[index]?.[key] ?? 1))).median.toFixed(2)
    const last = runs.at(-1)
    const cells = [
      reader.name,
      text(one => one.cpu, 2),
      text(one => one.wall, 1),
      text(one => one.peak, 0),
      last?.read.toFixed(0),
      last?.blobs,
      ratio('cpu'),
      ratio('wall'),
    ]
    process.stdout.write(`| ${cells.join(' | ')} |\n`)
  }
  const middle = (name: string, key: 'cpu' | 'wall' | 'peak') => {
    const runs = [...rows].find(([reader]) => reader.name.includes(name))?.[1]
    return runs === undefined ? Number.NaN : spread(runs.map(one => one[key])).median
  }
  const [cold, commit] = ['all layers', 'by the ostree commit']
  const targets: readonly (readonly [string, number, 'at most' | 'at least', number])[] = [
    ['CPU of all layers / crane', middle(cold, 'cpu') / middle('crane', 'cpu'), 'at most', 1.2],
    ['CPU of all layers / the floor', middle(cold, 'cpu') / middle('floor', 'cpu'), 'at most', 1.3],
    ['CPU of podman / all layers', middle('podman', 'cpu') / middle(cold, 'cpu'), 'at least', 6],
    ['peak MB, all layers', middle(cold, 'peak'), 'at most', 250],
    ['wall of podman / by the ostree commit', middle('podman', 'wall') / middle(commit, 'wall'), 'at least', 20],
  ]
  process.stdout.write('\n| target | found | wanted | |\n|---|---|---|---|\n')
  for (const [name, found, word, limit] of targets) {
    const met = word === 'at most' ? found <= limit : found >= limit
    if (!met) process.exitCode = 1
    process.stdout.write(`| ${name} | ${found.toFixed(2)} | ${word} ${limit} | ${met ? 'met' : 'missed'} |\n`)
  }
  process.stdout.write('\n')
} finally {
  proxy.close()
  await registry.stop()
  rmSync(scratch, { recursive: true, force: true })
}
const memory = spawnSync(process.execPath, [join(import.meta.dirname, 'memory.ts'), 'short'], { stdio: 'inherit' })
if (memory.status !== 0) process.exitCode = 1
