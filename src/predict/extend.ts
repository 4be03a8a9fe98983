// PCR arithmetic: TPM 2.0 Library, part 1 §17 "PCR Operations"; start values by PC Client Platform TPM Profile §4.6.

import { sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { type Bank, digestLength } from '../formats/bytes/digest.ts'

const hashes = { sha1, sha256, sha384, sha512 } as const

/** First and last PCR that starts with all bits set: those of a dynamic launch. */
const [firstDynamic, lastDynamic] = [17, 22]

/** Value of a PCR after start. PCR 0 holds the locality of TPM2_Startup in its last byte. */
export function startValue(bank: Bank, pcr: number, startupLocality = 0): Uint8Array {
  const value = new Uint8Array(digestLength[bank])
  if (pcr >= firstDynamic && pcr <= lastDynamic) value.fill(0xff)
  if (pcr === 0) value[value.length - 1] = startupLocality
  return value
}

/** H(old value || digest). */
export function extend(bank: Bank, value: Uint8Array, digest: Uint8Array): Uint8Array {
  return hashes[bank].create().update(value).update(digest).digest()
}

/** Value of a PCR after the digests, in order. */
export function extendAll(bank: Bank, start: Uint8Array, digests: Iterable<Uint8Array>): Uint8Array {
  let value = start
  for (const digest of digests) value = extend(bank, value, digest)
  return value
}
