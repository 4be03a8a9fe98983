// EFI_SIGNATURE_LIST: UEFI 2.10 §32.4.1.

import type { ErrorCode } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import type { Bank } from '../bytes/digest.ts'
import { formatGuid, type Guid, guids, parseGuid } from './guid.ts'

/** EFI_SIGNATURE_DATA: a certificate or a hash, and who put it there. */
export interface SignatureData {
  readonly owner: Guid
  readonly data: Uint8Array
}

export interface SignatureList {
  readonly type: Guid
  readonly header: Uint8Array
  /** All of one size. */
  readonly signatures: readonly SignatureData[]
}

/** The type of list that holds hashes of whole files, by the bank of the hash. */
export const imageHashTypes = {
  sha1: guids.certSha1,
  sha256: guids.certSha256,
  sha384: guids.certSha384,
  sha512: guids.certSha512,
} as const satisfies Record<Bank, Guid>

/** The type of list that holds hashes of TBSCertificate with a time of revocation (16 bytes), by the bank of the hash. */
export const certificateHashTypes = {
  sha256: guids.certX509Sha256,
  sha384: guids.certX509Sha384,
  sha512: guids.certX509Sha512,
} as const satisfies Partial<Record<Bank, Guid>>

const fixedSize = 28
const ownerSize = 16

/**
 * Signature lists one behind the other, to the end of the bytes; those of an unknown type are kept as they are. Throws `code` (INPUT_INVALID when left out).
 */
export function parseSignatureLists(
  bytes: Uint8Array,
  source: string,
  code: ErrorCode = 'INPUT_INVALID',
): SignatureList[] {
  const cursor = new ByteCursor(bytes, source, { path: 'signature lists', code })
  const lists: SignatureList[] = []
  while (cursor.left > 0) {
    const type = formatGuid(cursor.take('SignatureType', 16))
    const listSize = cursor.u32('SignatureListSize')
    const headerSize = cursor.u32('SignatureHeaderSize')
    const signatureSize = cursor.u32('SignatureSize')
    if (listSize < fixedSize || signatureSize < ownerSize)
      throw cursor.error('SignatureSize', `list ${listSize}, signature ${signatureSize}`, 'larger sizes')
    const body = cursor.part('SignatureList', listSize - fixedSize)
    const header = body.take('SignatureHeader', headerSize)
    if (body.left % signatureSize !== 0)
      throw body.error('Signatures', `${body.left} bytes`, `a multiple of ${signatureSize}`)
    const signatures: SignatureData[] = []
    while (body.left > 0) {
      const owner = formatGuid(body.take('SignatureOwner', ownerSize))
      signatures.push({ owner, data: body.take('SignatureData', signatureSize - ownerSize) })
    }
    lists.push({ type, header, signatures })
  }
  return lists
}

/** EFI_SIGNATURE_DATA as bytes, what an authority event holds: owner, then certificate or hash. */
export function formatSignatureData({ owner, data }: SignatureData): Uint8Array {
  return new Uint8Array(Buffer.concat([guidOf(owner), data]))
}

/** The first hash of a whole file in lists of that bank's type, in order. */
export function findImageHash(
  lists: readonly SignatureList[],
  bank: Bank,
  hash: Uint8Array,
): SignatureData | undefined {
  return lists
    .filter(list => list.type === imageHashTypes[bank])
    .flatMap(list => list.signatures)
    .find(({ data }) => Buffer.compare(data, hash) === 0)
}

/** The lists as bytes. All signatures of one list have to be of one size, as `parseSignatureLists` gives them. */
export function formatSignatureLists(lists: readonly SignatureList[]): Uint8Array {
  return new Uint8Array(Buffer.concat(lists.map(formatSignatureList)))
}

function formatSignatureList(list: SignatureList): Uint8Array {
  const signatureSize = ownerSize + (list.signatures[0]?.data.length ?? 0)
  const sizes = Buffer.alloc(12)
  sizes.writeUInt32LE(fixedSize + list.header.length + signatureSize * list.signatures.length, 0)
  sizes.writeUInt32LE(list.header.length, 4)
  sizes.writeUInt32LE(signatureSize, 8)
  const signatures = list.signatures.flatMap(({ owner, data }) => [guidOf(owner), data])
  return Buffer.concat([guidOf(list.type), sizes, list.header, ...signatures])
}

function guidOf(text: Guid): Uint8Array {
  return parseGuid(text) ?? new Uint8Array(16)
}

/** One certificate in a list of its own. */
export function certificateList(owner: Guid, certificate: Uint8Array): SignatureList {
  return { type: guids.certX509, header: new Uint8Array(0), signatures: [{ owner, data: certificate }] }
}

/** One SHA-256 hash in a list of its own. */
export function sha256List(owner: Guid, hash: Uint8Array): SignatureList {
  return { type: guids.certSha256, header: new Uint8Array(0), signatures: [{ owner, data: hash }] }
}
