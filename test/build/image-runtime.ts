// What a container build needs to run the stand-ins in an image: the Node.js of this test run, a shell, and their shared libraries.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { directory, file, type Layer, type LayerEntry, makeLayer, sha256 } from './layer.ts'

let made: Layer | undefined

/** A layer of about 130 MB, taken from this machine; made once per process. */
export function runtimeLayer(): Layer {
  made ??= quicklyCompressed(runtimeEntries())
  return made
}

/** gzip at its fastest: these bytes are only carried from here to the builder. */
function quicklyCompressed(entries: readonly LayerEntry[]): Layer {
  const plain = makeLayer(entries, { compression: 'none' })
  const bytes = new Uint8Array(gzipSync(plain.tar, { level: 1 }))
  return { ...plain, bytes, digest: sha256(bytes), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }
}

function runtimeEntries(): LayerEntry[] {
  const shell = ['/usr/bin/busybox', '/bin/busybox', '/bin/sh'].find(path => existsSync(path))
  if (shell === undefined) throw new Error('this machine has no shell to put into an image')
  const programs = new Map([
    ['usr/bin/node', process.execPath],
    ['usr/bin/sh', realpathSync(shell)],
  ])
  const files = new Map(programs)
  for (const program of programs.values())
    for (const library of sharedLibraries(program)) files.set(merged(library), library)
  const directories = new Set([...files.keys()].flatMap(parents))
  return [
    ...[...directories].sort().map(path => directory(`${path}/`)),
    ...[...files].sort().map(([path, from]) => file(path, new Uint8Array(readFileSync(from)), { mode: 0o755 })),
  ]
}

/** Paths that the dynamic loader opens for a program, itself included; none for a static one. */
function sharedLibraries(program: string): string[] {
  let text: string
  try {
    text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return []
  }
  return [...text.matchAll(/(?:=>\s*|^\s*)(\/\S+)\s+\(0x/gm)].map(match => match[1] ?? '')
}

/** /lib and /lib64 are links to /usr in the image. */
function merged(path: string): string {
  return path.replace(/^\/(?!usr\/)/, '/usr/').slice(1)
}

function parents(path: string): string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, index) => names.slice(0, index + 1).join('/'))
}
