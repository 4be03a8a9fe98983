// Signatures of packages with keys of OpenPGP.js: what gpg and rpmsign cannot make, and what pinning means. The tier rpm has the rest.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as openpgp from 'openpgp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readPackageTrust, trustPackage } from '../../src/commands/package-trust.ts'
import { ToolError } from '../../src/errors.ts'
import { certificatesOf } from '../../src/formats/openpgp/certificates.ts'
import { readPackets } from '../../src/formats/openpgp/packets.ts'
import { parseRpm } from '../../src/formats/rpm/rpm-file.ts'
import type { RepositoryPackage } from '../../src/kernel/kernel-packages.ts'
import { type RpmKey, splitRpmKeys } from '../../src/settings/values.ts'
import { makePackageSigner, type PackageSigner, signerWith } from '../build/package-signer.ts'
import { makeRpm } from '../build/rpm.ts'
import { partsOf, signatureTags, withSignatures } from '../build/rpm-signature.ts'

const plain = makeRpm({ name: 'kernel-core', version: '6.1.0', release: '56' })
const { name, evr, arch, sourceRpm } = parseRpm(plain, 'x').header
const location = 'https://mirror.example.org/kernel-core.rpm'
const wanted: RepositoryPackage = {
  ...{ name, evr, sourceRpm, location, arch: arch ?? '', size: plain.length },
  ...{ checksum: '', checksumType: 'sha256' },
}
const directory = mkdtempSync(join(tmpdir(), 'attested-os-update-test-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let signer: PackageSigner
let other: PackageSigner
let version6: PackageSigner
beforeAll(async () => {
  signer = await makePackageSigner('packager')
  other = await makePackageSigner('other')
  version6 = await makePackageSigner('version6', { version6: true })
})

const pinned = ({ fingerprint, armored }: PackageSigner): RpmKey => ({ fingerprint, key: { armored } })

async function outcome(rpm: Uint8Array, rpmKeys: readonly RpmKey[], allowUnsignedPackages = false) {
  try {
    return (await trustPackage(rpm, wanted, await readPackageTrust({ rpmKeys, allowUnsignedPackages }))).signer
  } catch (error) {
    if (error instanceof ToolError) return error.code
    throw error
  }
}

/** Signatures in base64, as RPM 6 keeps them. */
const withTexts = (...strings: string[]) => withSignatures(plain, new Map([[signatureTags.openPgp, { strings }]]))
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

describe('signatures of RPM 6', () => {
  it('a key of version 6, with a fingerprint of 64 digits', async () => {
    expect(version6.fingerprint).toMatch(/^[0-9A-F]{64}$/)
    const rpm = await version6.signPackage(plain)
    expect(await outcome(rpm, [pinned(version6)])).toBe(version6.fingerprint)
    expect(await outcome(rpm, [pinned(signer)])).toBe('RPM_KEY_UNKNOWN')
  })

  it('several in one tag, of which one is by a pinned key', async () => {
    const { header } = partsOf(plain)
    const all = await Promise.all([other, signer, version6].map(one => one.sign(header)))
    const rpm = withTexts(...all.map(base64))
    for (const one of [other, signer, version6]) expect(await outcome(rpm, [pinned(one)])).toBe(one.fingerprint)
    expect(await outcome(rpm, [pinned(await makePackageSigner('stranger'))])).toBe('RPM_KEY_UNKNOWN')
    expect(await outcome(rpm, [], true)).toBeNull()
  })

  it('what is no signature is refused, also where unsigned packages are allowed', async () => {
    const signature = await signer.sign(partsOf(plain).header)
    for (const text of ['?', 'AAAA', '', base64(Buffer.concat([signature, signature])), base64(signature.slice(0, -1))])
      expect(await outcome(withTexts(text), [pinned(signer)], true), text.slice(0, 10)).toBe('RPM_SIGNATURE_INVALID')
  })
})

describe('keys', () => {
  it('a subkey that its owner revoked', async () => {
    const { key } = await makePackageSigner('subkey', { subkey: true })
    const rpm = await signerWith(key).signPackage(plain)
    const [subkey] = key.subkeys
    if (subkey === undefined || !(key.keyPacket instanceof openpgp.SecretKeyPacket)) throw new Error('no subkey')
    const fingerprint = key.getFingerprint().toUpperCase()
    expect(await outcome(rpm, [pinned(signerWith(key))])).toBe(fingerprint)
    const flag = openpgp.enums.reasonForRevocation.keyCompromised
    key.subkeys = [await subkey.revoke(key.keyPacket, { flag })]
    expect(await outcome(rpm, [pinned(signerWith(key))])).toBe('RPM_KEY_REVOKED')
  })

  it('a subkey that another key binds, put behind the pinned one (CVE-2021-3521)', async () => {
    const { key: stranger } = await makePackageSigner('stranger', { subkey: true })
    const rpm = await signerWith(stranger).signPackage(plain)
    const theirs = stranger.toPublic().toPacketList().write()
    const own = signer.key.toPublic().toPacketList().write()
    const [primary] = certificatesOf(new Uint8Array(theirs), 'stranger')
    const packets = readPackets(primary?.bytes ?? new Uint8Array(), 'stranger', 'RPM_KEY_FILE_INVALID')
    const start = packets.findIndex(({ tag }) => tag === 14)
    expect(start).toBeGreaterThan(0)
    const path = join(directory, 'grafted.gpg')
    writeFileSync(path, Buffer.concat([own, ...packets.slice(start).map(({ bytes }) => bytes)]))
    const grafted = { fingerprint: signer.fingerprint, key: { path } }
    expect(await outcome(rpm, [grafted])).toBe('RPM_KEY_UNUSABLE')
    expect(await outcome(await signer.signPackage(plain), [grafted])).toBe(signer.fingerprint)
  })

  it('a certificate whose signatures are gone cannot say that it may sign', async () => {
    const list = new openpgp.PacketList<openpgp.AnyPacket>()
    list.push(signer.key.toPublic().keyPacket)
    const armored = openpgp.armor(openpgp.enums.armor.publicKey, list.write())
    const key = { fingerprint: signer.fingerprint, key: { armored } }
    expect(await outcome(await signer.signPackage(plain), [key])).toMatch(/^RPM_KEY_(UNUSABLE|FILE_INVALID)$/)
  })

  it('the pinned one of a file with several blocks, some of them unknown to us', async () => {
    const path = join(directory, 'keys.asc')
    const unknown = `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${base64(Uint8Array.of(0xc6, 3, 9, 1, 2))}\n-----END PGP PUBLIC KEY BLOCK-----\n`
    writeFileSync(path, `Two keys\n${unknown}${other.armored}\n${signer.armored}`)
    const rpm = await signer.signPackage(plain)
    expect(await outcome(rpm, [{ fingerprint: signer.fingerprint, key: { path } }])).toBe(signer.fingerprint)
    expect(await outcome(rpm, [{ fingerprint: other.fingerprint, key: { path } }])).toBe('RPM_KEY_UNKNOWN')
    expect(await outcome(rpm, [{ fingerprint: version6.fingerprint, key: { path } }])).toBe('RPM_KEY_FILE_INVALID')
  })

  it('a binary file', async () => {
    const path = join(directory, 'key.gpg')
    writeFileSync(path, signer.key.toPublic().write())
    const key = { fingerprint: signer.fingerprint, key: { path } }
    expect(await outcome(await signer.signPackage(plain), [key])).toBe(signer.fingerprint)
  })

  it('a private key, text without a key, and a file that is not there', async () => {
    const key = (text: string) => {
      const path = join(directory, 'other')
      writeFileSync(path, text)
      return outcome(plain, [{ fingerprint: signer.fingerprint, key: { path } }])
    }
    expect(await key(signer.key.armor())).toBe('RPM_KEY_FILE_INVALID')
    expect(await key('no key')).toBe('RPM_KEY_FILE_INVALID')
    expect(await key(signer.armored.slice(0, 200))).toBe('RPM_KEY_FILE_INVALID')
    const missing = { fingerprint: signer.fingerprint, key: { path: join(directory, 'missing') } }
    expect(await outcome(plain, [missing])).toBe('FILE_NOT_FOUND')
  })

  it('armored ones stand among paths in one setting', () => {
    const text = `keys/a#${'A'.repeat(40)}\n${signer.armored}#${signer.fingerprint}, keys/b#${'B'.repeat(40)}`
    expect(splitRpmKeys(text).map(item => item.trim())).toEqual([
      `keys/a#${'A'.repeat(40)}`,
      `${signer.armored.trim()}\n#${signer.fingerprint}`,
      `keys/b#${'B'.repeat(40)}`,
    ])
  })
})
