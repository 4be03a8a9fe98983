// EFI_GUID: UEFI 2.10 appendix A. Three little-endian fields, then eight bytes as printed.

import { formatHex, parseHex } from '../bytes/hex.ts'

/** Lower-case text in the form 8-4-4-4-12. */
export type Guid = string

/** GUIDs that take part in measured boot, by their names in the UEFI specification and in shim. */
export const guids = {
  globalVariable: '8be4df61-93ca-11d2-aa0d-00e098032b8c',
  imageSecurityDatabase: 'd719b2cb-3d3a-4596-a3bc-dad00e67656f',
  shimLock: '605dab50-e046-4300-abb6-3dd810dd8b23',
  certX509: 'a5c059a1-94e4-4aa7-87b5-ab155c2bf072',
  certSha256: 'c1c41626-504c-4092-aca9-41f936934328',
  certSha1: '826ca512-cf10-4ac9-b187-be01496631bd',
  certSha384: 'ff3e5307-9fd0-48c9-85f1-8ad56c701e01',
  certSha512: '093e0fae-a6c4-4f50-9f1b-d41e2b89c19a',
  certRsa2048: '3c5766e8-269c-4e34-aa14-ed776e85b3b6',
  certX509Sha256: '3bd2a492-96c0-4079-b420-fcf98ef103ed',
  certX509Sha384: '7076876e-80c2-4ee6-aad2-28b349a6865b',
  certX509Sha512: '446dbf63-2502-4cda-bcfa-2465d2b0fe9d',
} as const

const fieldOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]

/** Text of the 16 bytes of a GUID. */
export function formatGuid(bytes: Uint8Array): Guid {
  const hex = formatHex(Uint8Array.from(fieldOrder, index => bytes[index] ?? 0))
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** The 16 bytes of a GUID, or undefined for any other text. */
export function parseGuid(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return undefined
  const printed = parseHex(text.replaceAll('-', ''))
  return printed && Uint8Array.from(fieldOrder, index => printed[index] ?? 0)
}

/** The 16 bytes of one of `guids`. */
export function guidBytes(name: keyof typeof guids): Uint8Array {
  return parseGuid(guids[name]) ?? new Uint8Array(16)
}
