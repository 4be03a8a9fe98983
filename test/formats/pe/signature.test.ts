import { describe, expect, it } from 'vitest'
import { authenticodeDigests } from '../../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../../src/formats/pe/pe.ts'
import { checkSignatureDigests, parseSignatures, signerSubjects } from '../../../src/formats/pe/signature.ts'
import { signPe } from '../../build/authenticode.ts'
import { makeGrub, seededBytes } from '../../build/boot-files.ts'
import { makeSigningKey } from '../../build/certificate.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'
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
