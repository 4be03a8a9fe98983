// Other programs agree with our digests and accept our signed files: pesign and sbverify (Debian: pesign, sbsigntool).

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { authenticodeDigests } from '../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { signPe } from '../build/authenticode.ts'
import { firmwareKey, makeGrub, makeKernel, makeShim, seededBytes, vendorKeys } from '../build/boot-files.ts'
import { makeSigningKey, type SigningKey } from '../build/certificate.ts'
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
