// The OpenPGP signatures in the signature header of an RPM file. rpm, docs/manual/format_v4.md and format_v6.md.

import { ToolError } from '../../errors.ts'
import { bytesOf, rpmTags, stringsOf } from './header.ts'
import type { UnreadRpm } from './rpm-file.ts'

export interface HeaderSignature {
  /** Name and number of its tag. */
  readonly tag: string
  /** OpenPGP packets; the tag OPENPGP holds them in base64. */
  readonly packets: Uint8Array
}

export interface HeaderSignatures {
  /** Over the bytes of the main header. */
  readonly ofHeader: readonly HeaderSignature[]
  /** Tags of signatures over header and payload together, as rpm made them before version 4.14. */
  readonly ofHeaderAndPayload: readonly string[]
}

const maxSignatures = 64
const maxSize = 64 * 1024

/** All signatures that the file carries; none of them is checked or looked into. Throws RPM_INVALID, RPM_SIGNATURE_INVALID. */
export function headerSignatures({ source, signatureHeader }: UnreadRpm): HeaderSignatures {
  const binary = [
    ['RSAHEADER', rpmTags.signatureRsa],
    ['DSAHEADER', rpmTags.signatureDsa],
  ] as const
  const ofHeader = binary.flatMap(([name, tag]) => {
    const packets = bytesOf(signatureHeader, tag)
    return packets === undefined ? [] : [{ tag: `${name} (${tag})`, packets }]
  })
  const tag = `OPENPGP (${rpmTags.signatureOpenPgp})`
  for (const text of stringsOf(signatureHeader, rpmTags.signatureOpenPgp, maxSignatures)) {
    if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text))
      throw invalid(source, tag, 'text that is not base64', 'base64')
    ofHeader.push({ tag, packets: new Uint8Array(Buffer.from(text, 'base64')) })
  }
  const large = ofHeader.find(({ packets }) => packets.length > maxSize)
  if (large !== undefined) throw invalid(source, large.tag, `${large.packets.length} bytes`, `at most ${maxSize} bytes`)
  const legacy = [
    ['SIGPGP', rpmTags.signaturePgp],
    ['SIGGPG', rpmTags.signatureGpg],
  ] as const
  const ofHeaderAndPayload = legacy.flatMap(([name, number]) =>
    signatureHeader.entries.has(number) ? [`${name} (${number})`] : [],
  )
  return { ofHeader, ofHeaderAndPayload }
}

function invalid(source: string, path: string, found: string, wanted: string): ToolError {
  return new ToolError('RPM_SIGNATURE_INVALID', 'cannot read a signature of an RPM file', {
    found,
    wanted,
    where: { source, path },
  })
}
