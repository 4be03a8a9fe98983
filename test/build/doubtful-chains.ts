// Chains whose signatures verify and that OpenSSL refuses all the same, for tests: RFC 5280 §4.2, §6.1.

import { makeSigningKey, type SigningKey } from './certificate.ts'
import { context, octetString, sequence } from './der.ts'

/** A signer, the certificates that come with it, and the trusted one. */
export interface ChainToMake {
  readonly name: string
  readonly signer: SigningKey
  readonly embedded: readonly SigningKey[]
  readonly anchor: SigningKey
}

const unknownCritical = [{ id: '1.2.3.4.5', critical: true as const, value: octetString(new Uint8Array(2)) }]
const otherName = makeSigningKey('chain-other', { commonName: 'Allowed names' }).subjectName
const otherNamesOnly = [
  { id: '2.5.29.30', critical: true as const, value: sequence(context(0, sequence(context(4, otherName)))) },
]

const root = makeSigningKey('chain-root', { commonName: 'Chain root' })
const middle = makeSigningKey('chain-middle', { commonName: 'Chain middle', issuer: root })
const criticalSigner = makeSigningKey('chain-critical', {
  commonName: 'Critical signer',
  issuer: root,
  extensions: unknownCritical,
})
const criticalMiddle = makeSigningKey('chain-critical-middle', {
  commonName: 'Critical issuer',
  issuer: root,
  extensions: unknownCritical,
})
const belowCritical = makeSigningKey('chain-below-critical', { issuer: criticalMiddle })
const constrained = makeSigningKey('chain-constrained', {
  commonName: 'Constrained',
  issuer: root,
  extensions: otherNamesOnly,
})
const belowConstrained = makeSigningKey('chain-below-constrained', { issuer: constrained })
const short = makeSigningKey('chain-short', { commonName: 'Short', issuer: root, pathLength: 0 })
const tooDeep = makeSigningKey('chain-deep', { commonName: 'Too deep', issuer: short })
const belowTooDeep = makeSigningKey('chain-below-deep', { issuer: tooDeep })
const belowShort = makeSigningKey('chain-below-short', { issuer: short })

/** Trusted by no OpenSSL. */
export const refusedChains: readonly ChainToMake[] = [
  { name: 'a critical extension of the signer', signer: criticalSigner, embedded: [], anchor: root },
  { name: 'a critical extension of an issuer', signer: belowCritical, embedded: [criticalMiddle], anchor: root },
  { name: 'name constraints', signer: belowConstrained, embedded: [constrained], anchor: root },
  { name: 'a path that is too long', signer: belowTooDeep, embedded: [tooDeep, short], anchor: root },
]

/** Trusted by every OpenSSL. */
export const acceptedChains: readonly ChainToMake[] = [
  { name: 'a path of the length that is allowed', signer: belowShort, embedded: [short], anchor: root },
  {
    name: 'an unknown extension that is not critical',
    signer: makeSigningKey('chain-noted', {
      issuer: middle,
      extensions: [{ id: '1.2.3.4.5', value: octetString(new Uint8Array(2)) }],
    }),
    embedded: [middle],
    anchor: root,
  },
]

/** Trusted by OpenSSL with elliptic curves; shim and some firmware are built without. */
const curved = makeSigningKey('chain-curve', { commonName: 'Curve', curve: 'P-256' })
export const curvedChains: readonly ChainToMake[] = [
  { name: 'a signer with an elliptic curve', signer: curved, embedded: [], anchor: curved },
  {
    name: 'an issuer with an elliptic curve',
    signer: makeSigningKey('chain-below-curve', { issuer: curved }),
    embedded: [],
    anchor: curved,
  },
]
