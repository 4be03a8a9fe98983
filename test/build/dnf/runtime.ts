// Debian's dnf and rpm as a layer: the installed packages with all that they depend on, at the places where CoreOS has such files.

import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { directory, file, type Layer, type LayerEntry, makeLayer, sha256, symlink } from '../layer.ts'

let made: Layer | undefined

/** About 130 MB, taken from this machine; made once per process. */
export function dnfRuntimeLayer(): Layer {
  if (made !== undefined) return made
  const plain = makeLayer(entries(), { compression: 'none' })
  const bytes = new Uint8Array(gzipSync(plain.tar, { level: 1 }))
  made = { ...plain, bytes, digest: sha256(bytes), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }
  return made
}

/** What dnf of a base image does not need: other interpreters, keys, tools of packagers. */
const leftOut =
  /^(?:libperl|perl|gnupg|gpg-|gpgsm|dirmngr|pinentry|debconf|adduser|dpkg|tar$|passwd|debugedit|sysvinit|init-system|media-types|libmagic-mgc)/
const notNeeded =
  /^\/usr\/share\/(?:doc|man|locale|info|lintian|bug|i18n)\/|\/__pycache__\/|\/gconv\/|\/(?:test|idlelib|pydoc_data|lib2to3|distutils|ensurepip)\/|libicui18n|^\/etc\/dnf\/dnf\.conf$/

function entries(): LayerEntry[] {
  const names = closure(['dnf', 'rpm']).filter(name => !leftOut.test(name))
  const paths = execFileSync('dpkg-query', ['--listfiles', ...names], { encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 })
  const found = new Map<string, LayerEntry>()
  for (const path of new Set(paths.split('\n'))) {
    if (!path.startsWith('/') || notNeeded.test(path) || !existsSync(path)) continue
    const stat = lstatSync(path)
    const place = path.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/').slice(1)
    if (stat.isSymbolicLink()) found.set(place, symlink(place, readlinkSync(path)))
    else if (stat.isFile())
      found.set(place, file(place, new Uint8Array(readFileSync(path)), { mode: stat.mode & 0o7777 }))
  }
  found.set('usr/lib64/ld-linux-x86-64.so.2', loader())
  const busybox = new Uint8Array(readFileSync('/usr/bin/busybox'))
  for (const name of ['sh', 'cat', 'mkdir', 'rm', 'test', 'ls', 'true']) found.delete(`usr/bin/${name}`)
  found.set('usr/bin/busybox', file('usr/bin/busybox', busybox, { mode: 0o755 }))
  for (const name of ['sh', 'cat', 'mkdir', 'rm', 'test', 'ls', 'true'])
    found.set(`usr/bin/${name}`, symlink(`usr/bin/${name}`, 'busybox'))
  const parents = new Set([...found.keys()].flatMap(parentsOf))
  return [...[...parents].sort().map(path => directory(`${path}/`)), ...[...found].sort().map(([, entry]) => entry)]
}

function loader(): LayerEntry {
  const bytes = new Uint8Array(readFileSync(realpathSync('/lib64/ld-linux-x86-64.so.2')))
  return file('usr/lib64/ld-linux-x86-64.so.2', bytes, { mode: 0o755 })
}

const parentsOf = (path: string): string[] =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, index, names) => names.slice(0, index + 1).join('/'))

/** Installed packages that these need, themselves included. */
function closure(wanted: readonly string[]): string[] {
  const format = '$' + '{Package}\t$' + '{Depends}, $' + '{Pre-Depends}\t$' + '{Provides}\t$' + '{db:Status-Abbrev}\n'
  const table = execFileSync('dpkg-query', ['--show', `--showformat=${format}`], { encoding: 'utf8' })
  const named = (text: string) => text.trim().split(/[ :(]/)[0] ?? ''
  const depends = new Map<string, string[][]>()
  const provided = new Map<string, string>()
  for (const line of table.split('\n')) {
    const [name = '', needs = '', gives = '', status = ''] = line.split('\t')
    if (!status.startsWith('ii')) continue
    depends.set(
      name,
      needs.split(',').map(one => one.split('|').map(named)),
    )
    for (const one of gives.split(',').map(named)) if (one !== '') provided.set(one, name)
  }
  const seen = new Set<string>()
  const waiting = [...wanted]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue
    seen.add(name)
    for (const alternatives of depends.get(name) ?? []) {
      const one = alternatives.map(other => (depends.has(other) ? other : provided.get(other))).find(other => other)
      if (one !== undefined) waiting.push(one)
    }
  }
  return [...seen].sort()
}
