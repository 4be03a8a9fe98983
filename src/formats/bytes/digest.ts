// The TPM banks and the digests of one input in all of them. Algorithm names as in TCG Algorithm Registry, lower case.

import { createHash } from 'node:crypto'
import { formatHex } from './hex.ts'

export const banks = ['sha1', 'sha256', 'sha384', 'sha512'] as const
export type Bank = (typeof banks)[number]

/** Digest or PCR value length in bytes. */
export const digestLength: Readonly<Record<Bank, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }

/** One value in every bank, as bytes. */
export type Digests = Readonly<Record<Bank, Uint8Array>>
/** One value in every bank, as lower-case hex. */
export type HexDigests = Readonly<Record<Bank, string>>

/** The digest of the parts, one after another, in every bank. */
export function digestInBanks(...parts: readonly Uint8Array[]): Digests {
  return perBank(bank => digestIn(bank, ...parts))
}

/** The digest of the parts, one after another, in one bank. */
export function digestIn(bank: Bank, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash(bank)
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** SHA-256 as lower-case hex. */
export function sha256Hex(...parts: readonly Uint8Array[]): string {
  return formatHex(digestIn('sha256', ...parts))
}

/** One value per bank, in the order of `banks`. */
export function perBank<T>(make: (bank: Bank) => T): Readonly<Record<Bank, T>> {
  return { sha1: make('sha1'), sha256: make('sha256'), sha384: make('sha384'), sha512: make('sha512') }
}

export function formatDigests(digests: Digests): HexDigests {
  return perBank(bank => formatHex(digests[bank]))
}
