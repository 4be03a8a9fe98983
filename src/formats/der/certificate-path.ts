// From a signer up through its issuers, among the certificates that came with the signature.

import { type Certificate, isIssuedBy, sameElement } from './certificate.ts'

/** Longer chains than real signatures have; OpenSSL's own bound is 100. */
const longest = 16

/**
 * The signer, then each issuer that really signed the one before (`isIssuedBy`), until none is found. Ends at a
 * certificate that is on the path already; of several issuers the first one counts.
 */
export function certificatePath(signer: Certificate, others: readonly Certificate[]): readonly Certificate[] {
  const path = [signer]
  for (let last = signer; path.length < longest; ) {
    const issuer = others.find(
      other => !path.some(member => sameElement(member.bytes, other.bytes)) && isIssuedBy(last, other),
    )
    if (issuer === undefined) break
    path.push(issuer)
    last = issuer
  }
  return path
}
