// Signs RPM files without a program: keys and signatures by OpenPGP.js. The tier rpm signs the same with gpg and rpmsign.

import * as openpgp from 'openpgp'
import { partsOf, signatureTags, withSignatures } from './rpm-signature.ts'

export interface PackageSigner {
  /** Of the primary key, upper case. */
  readonly fingerprint: string
  readonly key: openpgp.PrivateKey
  /** The armored public key. */
  readonly armored: string
  /** A detached signature, one packet. */
  readonly sign: (bytes: Uint8Array, options?: { readonly date?: Date }) => Promise<Uint8Array>
  /** The package with a signature over its header, in the tag that rpm uses for such keys. */
  readonly signPackage: (rpm: Uint8Array) => Promise<Uint8Array>
}

export interface SignerToMake {
  /** A key of RFC 9580 instead of RFC 4880; its signatures go into the tag of RPM 6. */
  readonly version6?: boolean
  readonly date?: Date
  /** Seconds. */
  readonly expiresAfter?: number
  /** The key signs with a subkey. */
  readonly subkey?: boolean
}

export async function makePackageSigner(name: string, options: SignerToMake = {}): Promise<PackageSigner> {
  const { privateKey } = await openpgp.generateKey({
    type: options.version6 === true ? 'curve25519' : 'ecc',
    ...(options.version6 === true ? {} : { curve: 'ed25519Legacy' as const }),
    userIDs: [{ name, email: `${name}@example.org` }],
    subkeys: options.subkey === true ? [{ sign: true }] : [],
    format: 'object',
    ...(options.date === undefined ? {} : { date: options.date }),
    ...(options.expiresAfter === undefined ? {} : { keyExpirationTime: options.expiresAfter }),
    config: { v6Keys: options.version6 === true },
  })
  return signerWith(privateKey, options.version6 === true)
}

export function signerWith(key: openpgp.PrivateKey, version6 = false): PackageSigner {
  const sign: PackageSigner['sign'] = async (bytes, options = {}) => {
    const message = await openpgp.createMessage({ binary: bytes })
    const signing = { message, signingKeys: key, detached: true, format: 'binary', ...options } as const
    return new Uint8Array(await openpgp.sign(signing))
  }
  const signPackage = async (rpm: Uint8Array) => {
    const signature = await sign(partsOf(rpm).header)
    const base64 = Buffer.from(signature).toString('base64')
    return version6
      ? withSignatures(rpm, new Map([[signatureTags.openPgp, { strings: [base64] }]]))
      : withSignatures(rpm, new Map([[signatureTags.dsa, { bin: signature }]]))
  }
  const armored = key.toPublic().armor()
  return { fingerprint: key.getFingerprint().toUpperCase(), key, armored, sign, signPackage }
}
