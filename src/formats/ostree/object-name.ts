// Names of objects in a repository of ostree, as images hold one: libostree ostree-core.c; bootc ostree-ext/src/tar/{export,import}.rs.

import { formatHex } from '../bytes/hex.ts'
import { wrong } from './framing.ts'

/** SHA-256 as 64 lower-case hex digits. */
export type OstreeChecksum = string

export const repositoryDirectory = 'sysroot/ostree/repo'
const objectsDirectory = `${repositoryDirectory}/objects`

/** `file-xattrs` has extended attributes by their own checksum, `file-xattrs-link` those of one file. */
export const objectKinds = [
  'commit',
  'commitmeta',
  'dirtree',
  'dirmeta',
  'file',
  'file-xattrs',
  'file-xattrs-link',
] as const
export type ObjectKind = (typeof objectKinds)[number]

export interface ObjectName {
  readonly checksum: OstreeChecksum
  readonly kind: ObjectKind
}

export function objectPath(checksum: OstreeChecksum, kind: ObjectKind): string {
  return `${objectsDirectory}/${checksum.slice(0, 2)}/${checksum.slice(2)}.${kind}`
}

const pattern = new RegExp(`^${objectsDirectory}/([0-9a-f]{2})/([0-9a-f]{62})\\.(${objectKinds.join('|')})$`)

/** undefined for a path that is none of an object, exactly as an importer sees it: no `./` before it. */
export function parseObjectPath(path: string): ObjectName | undefined {
  const [, first = '', rest = '', kind] = pattern.exec(path) ?? []
  return kind === undefined ? undefined : { checksum: first + rest, kind: kind as ObjectKind }
}

export function isChecksum(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

export function checksumOf(bytes: Uint8Array, source: string): OstreeChecksum {
  if (bytes.length !== 32) throw wrong(source, `a checksum of ${bytes.length} bytes`, '32 bytes')
  return formatHex(bytes)
}
