// Extensions of X.509 certificates (RFC 5280 §4.2): which there are, which are critical, how long a path may be.

import { childAt, type DerElement, isUniversal, objectIdentifier, parseDer, tags } from './element.ts'

export interface Extension {
  /** Object identifier. */
  readonly id: string
  readonly critical: boolean
  /** Content of extnValue, DER. */
  readonly value: Uint8Array
}

export const extensionIds = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
  proxyCertificate: '1.3.6.1.5.5.7.1.14',
  netscapeCertificateType: '2.16.840.1.113730.1.1',
} as const

const boolean = 1

/** All extensions of a TBSCertificate (DER), in order; empty without any. Throws INPUT_INVALID. */
export function certificateExtensions(toBeSigned: Uint8Array): Extension[] {
  const fields = parseDer(toBeSigned, { source: '', path: 'TBSCertificate', code: 'INPUT_INVALID' })
  const extensions = fields.children.find(child => child.tagClass === 'context' && child.tagNumber === 3)
  return (extensions?.children[0]?.children ?? []).map(readExtension)
}

function readExtension(extension: DerElement): Extension {
  const second = childAt(extension, 1, 'extnValue')
  const hasFlag = isUniversal(second, boolean)
  return {
    id: objectIdentifier(childAt(extension, 0, 'extnID')),
    critical: hasFlag && second.content.some(byte => byte !== 0),
    value: hasFlag ? childAt(extension, 2, 'extnValue').content : second.content,
  }
}

/** pathLenConstraint of the value of basicConstraints; undefined: as long as may be. Throws INPUT_INVALID. */
export function pathLengthConstraint(basicConstraints: Uint8Array): number | undefined {
  const fields = parseDer(basicConstraints, { source: '', path: 'basicConstraints', code: 'INPUT_INVALID' })
  const length = fields.children.find(child => isUniversal(child, tags.integer))
  if (length === undefined) return undefined
  return length.content.subarray(0, 6).reduce((sum, byte) => sum * 256 + byte, 0)
}
