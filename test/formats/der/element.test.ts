import { describe, expect, it } from 'vitest'
import { isOneSequence, parseCertificate } from '../../../src/formats/der/certificate.ts'
import { childAt, objectIdentifier, parseDer } from '../../../src/formats/der/element.ts'
import { makeSigningKey } from '../../build/certificate.ts'
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
})
