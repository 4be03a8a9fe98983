// The digests that an RPM file carries of its own parts. rpm, docs/manual/format_v4.md and format_v6.md.

import { createHash } from 'node:crypto'
import { ToolError } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { type HeaderStructure, numberOf, readHeaderStructure, rpmTags, stringOf, stringsOf } from './header.ts'
import type { UnreadRpm } from './rpm-file.ts'

type Algorithm = 'sha1' | 'sha256' | 'sha512' | 'sha3-256'

/**
 * Compares the main header with every digest that the signature header gives of it, and the length of the file with the one there;
 * what is not there is not compared. Nobody signed these: they find damage, not a forger. Throws RPM_DIGEST_MISMATCH, RPM_INVALID.
 */
export function checkHeaderDigests({ source, signatureHeader, headerBytes, payload }: UnreadRpm): void {
  for (const [algorithm, tag] of [
    ['sha1', rpmTags.signatureHeaderSha1],
    ['sha256', rpmTags.signatureHeaderSha256],
    ['sha3-256', rpmTags.signatureHeaderSha3],
  ] as const)
    compare(source, 'header', algorithm, stringOf(signatureHeader, tag), headerBytes)
  if (!signatureHeader.entries.has(rpmTags.signatureSize)) return
  const [size, wanted] = [headerBytes.length + payload.length, numberOf(signatureHeader, rpmTags.signatureSize)]
  if (size !== wanted) throw mismatch(source, 'header and payload', `${size} bytes`, `${wanted} bytes`)
}

/**
 * Compares the payload with every digest that the main header gives of it as it is, compressed, and says how many these are: with a
 * signed header and at least one of them, the payload is the signed one. Throws RPM_DIGEST_MISMATCH, RPM_INVALID.
 */
export function checkPayloadDigests({ source, headerBytes, payload }: UnreadRpm): number {
  const header = readHeaderStructure(new ByteCursor(headerBytes, source, { code: 'RPM_INVALID' }), 'header')
  const digests = [
    ['sha256', payloadSha256(header)],
    ['sha512', stringOf(header, rpmTags.payloadSha512)],
    ['sha3-256', stringOf(header, rpmTags.payloadSha3)],
  ] as const
  for (const [algorithm, wanted] of digests) compare(source, 'payload', algorithm, wanted, payload)
  return digests.filter(([, wanted]) => wanted !== undefined).length
}

/** Both of header and payload. Throws as they do. */
export function checkRpmDigests(file: UnreadRpm): void {
  checkHeaderDigests(file)
  checkPayloadDigests(file)
}

const sha256Algorithm = 8

function payloadSha256(header: HeaderStructure): string | undefined {
  const algorithm = header.entries.has(rpmTags.payloadDigestAlgorithm)
    ? numberOf(header, rpmTags.payloadDigestAlgorithm)
    : sha256Algorithm
  return algorithm === sha256Algorithm ? stringsOf(header, rpmTags.payloadDigest, 1)[0] : undefined
}

function compare(source: string, path: string, algorithm: Algorithm, wanted: string | undefined, bytes: Uint8Array) {
  if (wanted === undefined) return
  const found = createHash(algorithm).update(bytes).digest('hex')
  if (found !== wanted) throw mismatch(source, path, `${algorithm} ${found}`, `${algorithm} ${wanted}`)
}

function mismatch(source: string, path: string, found: string, wanted: string): ToolError {
  return new ToolError('RPM_DIGEST_MISMATCH', `the ${path} of an RPM file is not the one that the file names`, {
    found,
    wanted,
    where: { source, path },
  })
}
