// What OpenSSL demands of a chain beside signatures and names: crypto/x509/x509_vfy.c, check_extensions and check_name_constraints.

import { ToolError } from '../../errors.ts'
import { type Certificate, hasRsaKey } from '../../formats/der/certificate.ts'
import { certificateExtensions, extensionIds, pathLengthConstraint } from '../../formats/der/extensions.ts'

/** Critical extensions that every OpenSSL since 1.0.2 takes (X509_supported_extension), and that change nothing here. */
const understood: ReadonlySet<string> = new Set([
  extensionIds.keyUsage,
  extensionIds.subjectAltName,
  extensionIds.basicConstraints,
  extensionIds.certificatePolicies,
  extensionIds.policyMappings,
  extensionIds.policyConstraints,
  extensionIds.extendedKeyUsage,
  extensionIds.inhibitAnyPolicy,
  extensionIds.netscapeCertificateType,
])

/** Rules that refuse some chains, critical or not, and whose outcome is not computed here. */
const refusing: ReadonlySet<string> = new Set([extensionIds.nameConstraints, extensionIds.proxyCertificate])

/**
 * Why it is not certain that every OpenSSL accepts a chain whose signatures verify; undefined: it does. `chain`: the signer, its issuers,
 * last the trusted certificate. Versions differ in which certificates they look at (shim's 1.0.2 walks all embedded issuers before it looks
 * for a trusted one, 3.x stops at the first trusted one; a trusted one's extensions count in 3.x only), so each one has to pass here. Keys
 * are to be RSA: shim, and edk2 as it comes, are built without elliptic curves.
 */
export function chainDoubt(chain: readonly Certificate[]): string | undefined {
  for (const [index, certificate] of chain.entries()) {
    const doubt = certificateDoubt(certificate, index)
    if (doubt !== undefined) return `${certificate.subject} ${doubt}`
  }
  return undefined
}

/** `index`: how many certificates are below it, the signer among them. */
function certificateDoubt(certificate: Certificate, index: number): string | undefined {
  if (!hasRsaKey(certificate)) return 'has another key than an RSA key'
  try {
    for (const { id, critical, value } of certificateExtensions(certificate.toBeSigned)) {
      if (refusing.has(id)) return `has the extension ${id}`
      if (critical && !understood.has(id)) return `has the critical extension ${id}`
      if (id !== extensionIds.basicConstraints || index < 2) continue
      // self-issued certificates between them would not count; they are counted here
      const longest = pathLengthConstraint(value)
      if (longest !== undefined && index - 1 > longest) return `allows ${longest} certificates between it and a signer`
    }
  } catch (error) {
    if (error instanceof ToolError) return 'has extensions that cannot be read'
    throw error
  }
  return undefined
}
