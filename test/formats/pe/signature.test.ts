import { describe, expect, it } from 'vitest'
import { banks } from '../../../src/formats/bytes/digest.ts'
import { parseSignedData } from '../../../src/formats/der/signed-data.ts'
import { authenticodeDigests } from '../../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../../src/formats/pe/pe.ts'
import { checkSignatureDigests, parseSignatures, signerSubjects } from '../../../src/formats/pe/signature.ts'
import { type SignOptions, signPe } from '../../build/authenticode.ts'
import { makeGrub, seededBytes } from '../../build/boot-files.ts'
import { makeSigningKey } from '../../build/certificate.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'
import { octetString } from '../../build/der.ts'
import { makePe } from '../../build/pe.ts'

const sections = [{ name: '.text', data: seededBytes('signature', 300) }]
const [first, second] = [
  makeSigningKey('sig-1', { commonName: 'First' }),
  makeSigningKey('sig-2', { commonName: 'Second' }),
]

function check(bytes: Uint8Array) {
  const pe = parsePe(bytes, 'file.efi')
  const signatures = parseSignatures(pe)
  checkSignatureDigests(pe, signatures, authenticodeDigests(pe))
  return signatures
}

describe('Authenticode signatures', () => {
  it('names the signer', () => {
    const signatures = check(makePe({ sections }, first))
    expect(signatures.map(({ algorithm }) => algorithm)).toEqual(['sha256'])
    expect(signerSubjects(signatures)).toEqual(['CN=First'])
    expect(signatures[0]?.certificates[0]?.bytes).toEqual(first.certificate)
  })

  it('reads two signatures of one file, which is hashed once for both', () => {
    expect(signerSubjects(check(signPe(makePe({ sections }, first), second)))).toEqual(['CN=First', 'CN=Second'])
  })

  it('names the signer first, wherever its certificate stands', () => {
    const signed = signPe(makePe({ sections }), first, { otherCertificates: [second.certificate] })
    expect(signerSubjects(check(signed))).toEqual(['CN=First', 'CN=Second'])
  })

  it('an unsigned file has none', () => {
    expect(check(makePe({ sections }))).toEqual([])
  })

  it('refuses a signature of other contents', () => {
    const forged = signPe(makePe({ sections }), first, { digest: new Uint8Array(32).fill(7) })
    const fault = faultOf(() => check(forged))
    expect(fault.code).toBe('SIGNATURE_DIGEST_MISMATCH')
    expect(fault.wanted).toContain('07'.repeat(32))
  })

  it('refuses a file changed after it was signed', () => {
    const bytes = makePe({ sections }, first)
    bytes[0x250] = (bytes[0x250] ?? 0) ^ 1
    expect(outcome(() => check(bytes))).toBe('SIGNATURE_DIGEST_MISMATCH')
  })

  it('a damaged signature is refused or read, nothing else', () => {
    const bytes = makeGrub({ seed: 'damage' })
    const [entry] = parsePe(bytes, 'grub').signatures
    const { offset = 0, data = new Uint8Array(0) } = entry ?? {}
    const seen = new Set<string>()
    for (const flip of flips(data, 500)) {
      const changed = new Uint8Array(bytes)
      changed.set(flip.bytes, offset + 8)
      seen.add(outcome(() => check(changed)))
    }
    expect([...seen].sort()).toEqual(['PE_INVALID', 'SIGNATURE_DIGEST_MISMATCH', 'read'])
    for (const cut of cuts(data, 300)) {
      const changed = new Uint8Array(bytes)
      changed.fill(0, offset + 8)
      changed.set(cut, offset + 8)
      // What is cut away may be padding only.
      expect(['PE_INVALID', 'read']).toContain(outcome(() => check(changed)))
    }
  })

  it('refuses deeply nested DER without exhausting the stack', () => {
    const nested = new Uint8Array(8192).fill(0x30)
    const pe = parsePe(makePe({ sections }, first), 'file.efi')
    const signatures = [{ revision: 0x200, type: 2, offset: 0, data: nested }]
    expect(outcome(() => parseSignatures({ ...pe, signatures }))).toBe('PE_INVALID')
  })
})

const unsigned = makePe({ sections })
const root = makeSigningKey('path-root', { commonName: 'Root' })
const middle = makeSigningKey('path-middle', { commonName: 'Middle', issuer: root })
const leaf = makeSigningKey('path-leaf', { commonName: 'Leaf', issuer: middle })
const curved = makeSigningKey('path-curve', { commonName: 'Curve', curve: 'P-256' })

const only = (bytes: Uint8Array) => {
  const [signature, ...others] = parseSignatures(parsePe(bytes, 'file.efi'))
  if (signature === undefined || others.length > 0) throw new Error('not one signature')
  return signature
}
const pathOf = (bytes: Uint8Array) => only(bytes).path.map(({ subject }) => subject)
const certificatesOf = (...keys: readonly { readonly certificate: Uint8Array }[]) => ({
  otherCertificates: keys.map(({ certificate }) => certificate),
})

describe('verifying an Authenticode signature', () => {
  it.each(banks.flatMap(algorithm => [leaf, curved].map(key => ({ algorithm, key, name: key.commonName }))))(
    '$algorithm, key $name: verifies with signed attributes and without',
    ({ algorithm, key }) => {
      expect(only(signPe(unsigned, key, { algorithm }))).toMatchObject({ algorithm, fault: undefined })
      expect(only(signPe(unsigned, key, { algorithm, attributes: false }))).toMatchObject({
        algorithm,
        fault: undefined,
      })
    },
  )

  it.each<{ name: string; options: SignOptions; code: string; found: string }>([
    {
      name: 'a digest of other contents',
      options: { digest: new Uint8Array(32) },
      code: 'SIGNATURE_DIGEST_MISMATCH',
      found: 'sha256:',
    },
    {
      name: 'a messageDigest of other content',
      options: { messageDigest: new Uint8Array(32) },
      code: 'SIGNATURE_INVALID',
      found: 'messageDigest',
    },
    {
      name: 'another contentType',
      options: { contentType: '1.2.840.113549.1.7.1' },
      code: 'SIGNATURE_INVALID',
      found: 'contentType',
    },
    {
      name: 'the key of somebody else',
      options: { signedBy: second },
      code: 'SIGNATURE_INVALID',
      found: 'another key',
    },
    { name: 'a key of another kind', options: { signedBy: curved }, code: 'SIGNATURE_INVALID', found: 'another key' },
    {
      name: 'the key of somebody else, without attributes',
      options: { signedBy: second, attributes: false },
      code: 'SIGNATURE_INVALID',
      found: 'another key',
    },
    { name: 'two signers', options: { secondSigner: second }, code: 'SIGNATURE_INVALID', found: '2 signers' },
    {
      name: 'algorithms that do not agree',
      options: { namedAlgorithm: 'sha512' },
      code: 'SIGNATURE_INVALID',
      found: 'digest algorithms',
    },
    {
      name: 'something behind the digest',
      options: { trailer: octetString(new Uint8Array(3)) },
      code: 'SIGNATURE_INVALID',
      found: 'behind the digest',
    },
    {
      name: 'no certificate of the signer',
      options: { signerCertificate: false },
      code: 'SIGNATURE_INVALID',
      found: 'no certificate',
    },
  ])('$name: read, kept, and not verified', ({ options, code, found }) => {
    const { fault } = only(signPe(unsigned, first, options))
    expect(fault?.code).toBe(code)
    expect(fault?.found).toContain(found)
    expect(fault?.where).toMatchObject({ source: 'file.efi', path: 'signature 0' })
  })

  it('a file changed after it was signed keeps its signature, with the fault', () => {
    const bytes = makePe({ sections }, first)
    bytes[0x250] = (bytes[0x250] ?? 0) ^ 1
    expect(only(bytes).fault?.code).toBe('SIGNATURE_DIGEST_MISMATCH')
  })

  it('one byte changed in signed content, attributes or signature value: never verified', () => {
    const bytes = signPe(unsigned, leaf, certificatesOf(root, middle))
    const [entry] = parsePe(bytes, 'file.efi').signatures
    const { offset = 0, data = new Uint8Array(0) } = entry ?? {}
    const { content, signers } = parseSignedData(data, { source: 'file.efi', path: 'signature', code: 'PE_INVALID' })
    const signed = [content.bytes, signers[0]?.signedAttributes?.bytes, signers[0]?.signature]
    const verified: number[] = []
    for (const part of signed) {
      const start = Buffer.from(data).indexOf(part ?? new Uint8Array(0))
      expect(start).toBeGreaterThan(0)
      for (let at = start; at < start + (part?.length ?? 0); at++) {
        const changed = new Uint8Array(bytes)
        changed[offset + 8 + at] = (changed[offset + 8 + at] ?? 0) ^ (at % 2 === 0 ? 0x01 : 0xff)
        if (outcome(() => expectFault(changed)) === 'read') verified.push(at)
      }
    }
    expect(verified).toEqual([])
  })
})

/** Throws the fault of the only signature. */
function expectFault(bytes: Uint8Array): void {
  const { fault } = only(bytes)
  if (fault !== undefined) throw fault
}

describe('the path of issuers', () => {
  it('goes up from the signer, in whatever order the certificates stand', () => {
    const path = ['CN=Leaf', 'CN=Middle', 'CN=Root']
    expect(pathOf(signPe(unsigned, leaf, certificatesOf(middle, root)))).toEqual(path)
    expect(pathOf(signPe(unsigned, leaf, certificatesOf(root, second, middle)))).toEqual(path)
  })

  it('stops where an issuer is missing', () => {
    expect(pathOf(signPe(unsigned, leaf, certificatesOf(root)))).toEqual(['CN=Leaf'])
  })

  it('the same name with another key is no issuer', () => {
    const impostor = makeSigningKey('path-impostor', { commonName: 'Middle', issuer: root })
    expect(impostor.subjectName).toEqual(middle.subjectName)
    expect(pathOf(signPe(unsigned, leaf, certificatesOf(impostor, root)))).toEqual(['CN=Leaf'])
    expect(pathOf(signPe(unsigned, leaf, certificatesOf(impostor, middle, root)))).toEqual([
      'CN=Leaf',
      'CN=Middle',
      'CN=Root',
    ])
  })

  it('ends although two certificates issue each other', () => {
    const one = makeSigningKey('cycle-1', {
      commonName: 'One',
      issuer: makeSigningKey('cycle-2', { commonName: 'Two' }),
    })
    const two = makeSigningKey('cycle-2', {
      commonName: 'Two',
      issuer: makeSigningKey('cycle-1', { commonName: 'One' }),
    })
    expect(pathOf(signPe(unsigned, one, certificatesOf(two)))).toEqual(['CN=One', 'CN=Two'])
  })

  it('is bounded', () => {
    const chain = [makeSigningKey('long-0', { commonName: 'Long 0' })]
    for (let length = 1; length < 20; length++) {
      const issuer = chain[0]
      const options = { commonName: `Long ${length}`, curve: 'P-256' as const }
      chain.unshift(makeSigningKey(`long-${length}`, issuer === undefined ? options : { ...options, issuer }))
    }
    const [signer = first, ...others] = chain
    expect(pathOf(signPe(unsigned, signer, certificatesOf(...others)))).toHaveLength(16)
  })
})

describe('ceilings', () => {
  it('16 signatures', () => {
    let bytes = unsigned
    for (let index = 0; index < 16; index++) bytes = signPe(bytes, leaf)
    expect(parseSignatures(parsePe(bytes, 'file.efi'))).toHaveLength(16)
    expect(faultOf(() => parsePe(signPe(bytes, leaf), 'file.efi')).wanted).toBe('at most 16')
  })

  it('64 certificates', () => {
    const withOthers = (count: number) =>
      parsePe(signPe(unsigned, leaf, certificatesOf(...Array.from({ length: count }, () => first))), 'file.efi')
    expect(parseSignatures(withOthers(63))[0]?.certificates).toHaveLength(64)
    expect(faultOf(() => parseSignatures(withOthers(64)))).toMatchObject({
      code: 'PE_INVALID',
      found: '65 certificates',
    })
  })
})
