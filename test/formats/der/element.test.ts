import { describe, expect, it } from 'vitest'
import { extendedKeyUsage, isIssuedBy, isOneSequence, parseCertificate } from '../../../src/formats/der/certificate.ts'
import { childAt, objectIdentifier, parseDer } from '../../../src/formats/der/element.ts'
import { makeSigningKey, type SigningKey } from '../../build/certificate.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'
import { context, derNull, octetString, objectIdentifier as oid, sequence } from '../../build/der.ts'

const origin = { source: 'a.der', path: 'test', code: 'PE_INVALID' } as const

describe('DER elements', () => {
  it('keeps tag, length and content as they came', () => {
    const inner = octetString(new Uint8Array(200).fill(9))
    const bytes = sequence(inner, context(1, derNull()))
    const element = parseDer(new Uint8Array([...bytes, 0, 0]), origin)
    expect(element).toMatchObject({ tagClass: 'universal', tagNumber: 16 })
    expect(element.bytes).toEqual(bytes)
    expect(childAt(element, 0, 'inner').bytes).toEqual(inner)
    expect(childAt(element, 0, 'inner').content).toEqual(inner.subarray(3))
    expect(childAt(element, 1, 'context')).toMatchObject({ tagClass: 'context', tagNumber: 1 })
    expect(faultOf(() => childAt(element, 2, 'third')).code).toBe('PE_INVALID')
  })

  it.each(['1.2.840.113549.1.7.2', '2.16.840.1.101.3.4.2.1', '2.999.3', '0.4.0'])(
    'reads the object identifier %s',
    text => {
      expect(objectIdentifier(parseDer(oid(text), origin))).toBe(text)
    },
  )

  it('knows a byte sequence that is one SEQUENCE and nothing else', () => {
    const certificate = makeSigningKey('der').certificate
    expect(isOneSequence(certificate)).toBe(true)
    expect(isOneSequence(certificate.subarray(1))).toBe(false)
    expect(isOneSequence(new Uint8Array([...certificate, 0]))).toBe(false)
    expect(isOneSequence(certificate.subarray(0, -1))).toBe(false)
    expect(isOneSequence(Uint8Array.of(0x30, 0x80, 0, 0))).toBe(false)
    expect(isOneSequence(new Uint8Array(0))).toBe(false)
  })
})

describe('certificates', () => {
  const issuer = makeSigningKey('issuer', { commonName: 'The issuer' })
  const key = makeSigningKey('subject', { commonName: 'The subject', issuer })

  it('names subject, issuer and serial number', () => {
    const certificate = parseCertificate(key.certificate, origin)
    expect(certificate.subject).toBe('CN=The subject')
    expect(certificate.issuerName).toEqual(issuer.subjectName)
    expect(certificate.serialNumber).toEqual(key.serialNumber)
  })

  it('damaged ones are refused or read, nothing else', () => {
    for (const cut of cuts(key.certificate)) expect(outcome(() => parseCertificate(cut, origin))).toBe('PE_INVALID')
    for (const { bytes } of flips(key.certificate))
      expect(['PE_INVALID', 'read']).toContain(outcome(() => parseCertificate(bytes, origin)))
  })

  const read = (one: SigningKey) => parseCertificate(one.certificate, origin)
  const issued = (one: SigningKey, by: SigningKey) => isIssuedBy(read(one), read(by))
  const named = (seed: string, by?: SigningKey) =>
    makeSigningKey(seed, { commonName: 'The issuer', ...(by === undefined ? {} : { issuer: by }) })

  it('are issued by the key that signed them, never by a name alone', () => {
    expect(issued(key, issuer)).toBe(true)
    expect(issued(issuer, issuer)).toBe(true)
    expect(issued(issuer, key)).toBe(false)
    expect(issued(key, named('stranger'))).toBe(false)
    // the right key under another name
    expect(issued(key, makeSigningKey('issuer', { commonName: 'Another name' }))).toBe(false)
    expect(issued(key, makeSigningKey('curve', { commonName: 'The issuer', curve: 'P-256' }))).toBe(false)
  })

  it.each(['sha1', 'sha384', 'sha512'] as const)('are verified with %s too', digest => {
    const curve = makeSigningKey('curve-issuer', { curve: 'P-256' })
    expect(issued(makeSigningKey('child', { issuer, digest }), issuer)).toBe(true)
    expect(issued(makeSigningKey('child', { issuer: curve, digest }), curve)).toBe(true)
  })

  it('are not issued by one that says it is no authority, as OpenSSL has it', () => {
    const plain = makeSigningKey('plain', { authority: false })
    expect(issued(makeSigningKey('child', { issuer: plain }), plain)).toBe(false)
    const old = makeSigningKey('old', { version: 1 })
    expect(issued(makeSigningKey('child', { issuer: old }), old)).toBe(true)
    const middle = makeSigningKey('old-middle', { version: 1, issuer: old })
    expect(issued(makeSigningKey('child', { issuer: middle }), middle)).toBe(false)
  })

  it('say what their key is for', () => {
    expect(extendedKeyUsage(read(makeSigningKey('modules', { usages: ['1.3.6.1.4.1.2312.16.1.2'] })))).toEqual([
      '1.3.6.1.5.5.7.3.3',
      '1.3.6.1.4.1.2312.16.1.2',
    ])
    expect(extendedKeyUsage(read(makeSigningKey('old', { version: 1 })))).toEqual([])
  })

  it('one byte changed anywhere is never issued by the issuer', () => {
    const by = read(issuer)
    let readable = 0
    for (const { bytes } of flips(key.certificate))
      if (outcome(() => parseCertificate(bytes, origin)) === 'read') {
        readable += 1
        expect(isIssuedBy(parseCertificate(bytes, origin), by)).toBe(false)
      }
    expect(readable).toBeGreaterThan(100)
  })
})
