// Other programs agree with our digests and accept our signed files: pesign and sbverify (Debian: pesign, sbsigntool).

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { banks } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { parseSignedData } from '../../src/formats/der/signed-data.ts'
import { authenticodeDigests } from '../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { firmwareAuthority } from '../../src/predict/trust/firmware-authority.ts'
import { type SignOptions, signPe } from '../build/authenticode.ts'
import { firmwareKey, makeGrub, makeKernel, makeShim, seededBytes, vendorKeys } from '../build/boot-files.ts'
import { makeSigningKey, type SigningKey } from '../build/certificate.ts'
import { flips, outcome } from '../build/damage.ts'
import { acceptedChains, type ChainToMake, curvedChains, refusedChains } from '../build/doubtful-chains.ts'
import { listsOf, loadFile } from '../build/load-file.ts'
import { makePe } from '../build/pe.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'authenticode-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const section = { name: '.text', data: seededBytes('real', 900) }
const own = makeSigningKey('real-1')

const files: readonly { name: string; bytes: Uint8Array; signers: readonly SigningKey[] }[] = [
  { name: 'shim', bytes: makeShim({ seed: 'real' }), signers: [firmwareKey('real')] },
  { name: 'GRUB', bytes: makeGrub({ seed: 'real' }), signers: [vendorKeys('real').ca, vendorKeys('real').signer] },
  { name: 'kernel', bytes: makeKernel({ seed: 'real', release: '6.1.0-1' }), signers: [vendorKeys('real').ca] },
  {
    name: 'PE32 with overlay',
    bytes: makePe({ sections: [section], magic: 'PE32', machine: 0x14c, overlay: seededBytes('o', 24) }, own),
    signers: [own],
  },
  {
    name: 'overlay of odd length',
    bytes: makePe({ sections: [section], overlay: seededBytes('o', 13) }, own),
    signers: [own],
  },
  {
    name: 'two signatures',
    bytes: signPe(makePe({ sections: [section] }, own), makeSigningKey('real-2')),
    signers: [own, makeSigningKey('real-2')],
  },
]

function written(name: string, bytes: Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, bytes)
  return path
}

function pem(certificate: Uint8Array): string {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

describe('signed files of our makers', () => {
  it.each(files)('$name: pesign computes the digest that we compute', ({ bytes }) => {
    const printed = execFileSync('pesign', ['-h', '-i', written('file.efi', bytes)], { encoding: 'utf8' })
    expect(printed.match(/[0-9a-f]{64}/)?.[0]).toBe(formatHex(authenticodeDigests(parsePe(bytes, 'file.efi')).sha256))
  })

  it.each(files)('$name: sbverify accepts it under its keys, and not under another', ({ bytes, signers }) => {
    const path = written('file.efi', bytes)
    const verify = (key: SigningKey) => {
      const certificate = join(directory, 'key.pem')
      writeFileSync(certificate, pem(key.certificate))
      return execFileSync('sbverify', ['--cert', certificate, path], { stdio: 'pipe' })
    }
    for (const key of signers) expect(() => verify(key)).not.toThrow()
    expect(() => verify(makeSigningKey('real-stranger'))).toThrow()
  })

  it('sbverify refuses a file with one byte changed', () => {
    const bytes = makePe({ sections: [section] }, own)
    bytes[0x300] = (bytes[0x300] ?? 0) ^ 1
    writeFileSync(join(directory, 'own.pem'), pem(own.certificate))
    const args = ['--cert', join(directory, 'own.pem'), written('changed.efi', bytes)]
    expect(() => execFileSync('sbverify', args, { stdio: 'pipe' })).toThrow()
  })
})

const root = makeSigningKey('trust-root', { commonName: 'Root' })
const middle = makeSigningKey('trust-middle', { commonName: 'Middle', issuer: root })
const leaf = makeSigningKey('trust-leaf', { commonName: 'Leaf', issuer: middle })
const impostor = makeSigningKey('trust-impostor', { commonName: 'Root' })
const plain = makeSigningKey('trust-plain', { commonName: 'Plain', authority: false })
const belowPlain = makeSigningKey('trust-below', { issuer: plain })
const first = makeSigningKey('trust-v1', { version: 1 })
const belowFirst = makeSigningKey('trust-below', { issuer: first })
const curved = makeSigningKey('trust-curve', { curve: 'P-256' })
const withMiddle = { otherCertificates: [middle.certificate] }

interface Trial {
  readonly name: string
  readonly signer: SigningKey
  readonly db: SigningKey
  readonly options?: SignOptions
  readonly trusted: boolean
  /** When OpenSSL as installed says another thing than is predicted. */
  readonly openssl?: boolean
}

const chainTrial = ({ name, signer, embedded, anchor }: ChainToMake) => ({
  name,
  signer,
  db: anchor,
  options: { otherCertificates: embedded.map(({ certificate }) => certificate) },
})

const trials: readonly Trial[] = [
  { name: 'the signer', signer: leaf, db: leaf, trusted: true },
  { name: 'an embedded issuer', signer: leaf, db: middle, options: withMiddle, trusted: true },
  { name: 'the issuer of an embedded one', signer: leaf, db: root, options: withMiddle, trusted: true },
  { name: 'an issuer out of reach', signer: leaf, db: root, trusted: false },
  { name: 'the same name with another key', signer: leaf, db: impostor, options: withMiddle, trusted: false },
  { name: 'an issuer that is no authority', signer: belowPlain, db: plain, trusted: false },
  { name: 'a signer that is no authority', signer: plain, db: plain, trusted: true },
  { name: 'an issuer of version 1', signer: belowFirst, db: first, trusted: true },
  { name: 'a signature by another key', signer: leaf, db: leaf, options: { signedBy: root }, trusted: false },
  {
    name: 'another messageDigest',
    signer: leaf,
    db: leaf,
    options: { messageDigest: new Uint8Array(32) },
    trusted: false,
  },
  { name: 'no certificate', signer: leaf, db: leaf, options: { signerCertificate: false }, trusted: false },
  ...refusedChains.map(chain => ({ ...chainTrial(chain), trusted: false })),
  ...acceptedChains.map(chain => ({ ...chainTrial(chain), trusted: true })),
  ...curvedChains.map(chain => ({ ...chainTrial(chain), trusted: false, openssl: true })),
  ...banks.flatMap(algorithm => [
    { name: `RSA with ${algorithm}`, signer: leaf, db: leaf, options: { algorithm }, trusted: true },
    {
      name: `an elliptic curve with ${algorithm}`,
      signer: curved,
      db: curved,
      options: { algorithm },
      // firmware and shim are built without elliptic curves
      trusted: false,
      openssl: true,
    },
    {
      name: `${algorithm} over the content`,
      signer: leaf,
      db: leaf,
      options: { algorithm, attributes: false as const },
      trusted: true,
    },
  ]),
]

/** True when OpenSSL verifies the signature with the flags that firmware and shim set, one certificate being trusted. */
function opensslTrusts(signature: Uint8Array, content: Uint8Array, { certificate }: SigningKey): boolean {
  const trusted = written('db.pem', new Uint8Array(Buffer.from(pem(certificate))))
  const flags = ['-binary', '-purpose', 'any', '-partial_chain', '-no_check_time', '-CAfile', trusted]
  const files = ['-in', written('signature', signature), '-content', written('content', content)]
  return spawnSync('openssl', ['smime', '-verify', '-inform', 'DER', ...files, ...flags]).status === 0
}

const signatureOf = (bytes: Uint8Array) => {
  const [entry] = parsePe(bytes, 'file.efi').signatures
  if (entry === undefined) throw new Error('not signed')
  const { content } = parseSignedData(entry.data, { source: 'file.efi', path: 'signature', code: 'PE_INVALID' })
  return { ...entry, content: content.content }
}

const trusts = (bytes: Uint8Array, db: SigningKey) =>
  outcome(() => firmwareAuthority(loadFile(bytes), { db: listsOf(db), dbx: [], source: 'test' })) === 'read'

describe('what db trusts', () => {
  it.each(trials)('$name: OpenSSL agrees', ({ signer, db, options, trusted, openssl = trusted }) => {
    const bytes = signPe(makePe({ sections: [section] }), signer, options)
    const { data, content } = signatureOf(bytes)
    expect(trusts(bytes, db)).toBe(trusted)
    expect(opensslTrusts(data, content, db)).toBe(openssl)
  })

  it('one byte changed: what OpenSSL refuses is never trusted', () => {
    const bytes = signPe(makePe({ sections: [section] }), leaf)
    const { data, content, offset } = signatureOf(bytes)
    const trustedByBoth: number[] = []
    for (const flip of flips(data)) {
      const changed = new Uint8Array(bytes)
      changed.set(flip.bytes, offset + 8)
      if (!trusts(changed, middle)) continue
      expect(opensslTrusts(flip.bytes, content, middle), `offset ${flip.offset}`).toBe(true)
      trustedByBoth.push(flip.offset)
    }
    expect(trustedByBoth.length).toBeGreaterThan(0)
  })
})
