// Whether a certificate of a signature list vouches for a signature, as firmware and shim see it.

import { ToolError } from '../../errors.ts'
import { type Certificate, isIssuedBy, parseCertificate, sameElement } from '../../formats/der/certificate.ts'
import { guids } from '../../formats/efi/guid.ts'
import type { SignatureData, SignatureList } from '../../formats/efi/signature-list.ts'
import type { AuthenticodeSignature } from '../../formats/pe/signature.ts'
import { chainDoubt } from './chain-rules.ts'

/** An entry of a list of certificates, read. */
export interface TrustAnchor {
  readonly entry: SignatureData
  readonly certificate: Certificate
}

/** The certificate in an entry; undefined for one that cannot be read, which vouches for nothing. */
export function certificateOf(bytes: Uint8Array, source: string): Certificate | undefined {
  try {
    return parseCertificate(bytes, { source, path: 'certificate', code: 'INPUT_INVALID' })
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/** The readable certificates of all lists, in order; with `firstOnly` of each list only the first entry. */
export function trustAnchors(
  lists: readonly SignatureList[],
  source: string,
  { firstOnly }: { readonly firstOnly: boolean },
): TrustAnchor[] {
  return lists
    .filter(list => list.type === guids.certX509)
    .flatMap(list => (firstOnly ? list.signatures.slice(0, 1) : list.signatures))
    .flatMap(entry => {
      const certificate = certificateOf(entry.data, source)
      return certificate === undefined ? [] : [{ entry, certificate }]
    })
}

/** True when the signature verifies, and the certificate is on its path or has signed a certificate on it. */
export function vouchesFor(certificate: Certificate, { path, fault }: AuthenticodeSignature): boolean {
  return (
    fault === undefined &&
    path.some(member => sameElement(member.bytes, certificate.bytes) || isIssuedBy(member, certificate))
  )
}

/**
 * Why it is not certain that firmware and shim accept the chain from the signer to this certificate, which vouches for the signature;
 * undefined when it is (`chainDoubt`).
 */
export function doubtOf(certificate: Certificate, { path }: AuthenticodeSignature): string | undefined {
  const onPath = path.some(member => sameElement(member.bytes, certificate.bytes))
  return chainDoubt(onPath ? path : [...path, certificate])
}

/** The first fault when no signature verifies; undefined when one does. */
export function faultOfAll(signatures: readonly AuthenticodeSignature[]): ToolError | undefined {
  return signatures.every(({ fault }) => fault !== undefined) ? signatures[0]?.fault : undefined
}

/** One line for people: who signed, and by whom that certificate was issued. */
export function describePath({ path }: AuthenticodeSignature): string {
  return path.map(({ subject }) => subject).join(', issued by ')
}

const mostNamed = 20

/** Subjects for people, `none` without any. */
export function describeAnchors(anchors: readonly TrustAnchor[]): string {
  const subjects = [...new Set(anchors.map(({ certificate }) => certificate.subject))]
  const others = subjects.length - mostNamed
  return [
    ...(subjects.length === 0 ? ['none'] : subjects.slice(0, mostNamed)),
    ...(others > 0 ? [`${others} more`] : []),
  ].join('; ')
}
