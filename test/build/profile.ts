// Directories of platform profiles for tests, as they are read.

import { guids } from '../../src/formats/efi/guid.ts'
import { certificateList, formatSignatureLists } from '../../src/formats/efi/signature-list.ts'
import type { ProfileDirectory } from '../../src/predict/platform/profile-files.ts'
import { makeSigningKey } from './certificate.ts'

/** The signature lists of one certificate, owned by nobody that matters. */
export const keyLists = formatSignatureLists([
  certificateList('77fa9abd-0359-4d32-bd60-28f4e78f784b', makeSigningKey('platform').certificate),
])

/** One directory; texts become UTF-8. */
export function profile(
  name: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  absolute?: string,
): ProfileDirectory {
  const entries = Object.entries(files).map(
    ([file, content]) =>
      [file, typeof content === 'string' ? new Uint8Array(Buffer.from(content, 'utf8')) : content] as const,
  )
  return { name, files: new Map(entries), ...(absolute === undefined ? {} : { absolute }) }
}

/** Contents with four attribute bytes, as efivarfs shows them. */
export function withAttributes(data: Uint8Array, attributes = 0x27): Uint8Array {
  return new Uint8Array(Buffer.concat([Uint8Array.of(attributes, 0, 0, 0), data]))
}

/** The file name of a variable in efivarfs. */
export const efivar = {
  global: (name: string) => `${name}-${guids.globalVariable}`,
  security: (name: string) => `${name}-${guids.imageSecurityDatabase}`,
  shim: (name: string) => `${name}-${guids.shimLock}`,
} as const
