// Packages signed by rpmsign and gpg, accepted and refused; beside what rpmkeys says of the same files and keys.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readPackageTrust, trustPackage } from '../../src/commands/package-trust.ts'
import { bytesOf } from '../../src/formats/rpm/header.ts'
import { openRpm, parseRpm } from '../../src/formats/rpm/rpm-file.ts'
import type { RepositoryPackage } from '../../src/kernel/kernel-packages.ts'
import { cuts, flips } from '../build/damage.ts'
import { makeRpm, type RpmInput } from '../build/rpm.ts'
import { makeRpmHeader, type TagValue } from '../build/rpm-header.ts'
import { assembleRpm, partsOf, signatureTags, withSignatures } from '../build/rpm-signature.ts'
import { type GpgKey, Keyring, readBytes, rpmAccepts } from './gpg.ts'

const input: RpmInput = {
  name: 'kernel-core',
  version: '6.1.0',
  release: '56.el9',
  files: [{ path: '/data', content: 'x' }],
}
const directory = mkdtempSync(join(tmpdir(), 's-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const keyring = new Keyring(directory)
const plain = makeRpm(input)
const { header, payload } = partsOf(plain)

const paths = Array.from({ length: 200 }, (_, index) => join(directory, `${index}.rpm`))
/** The package as rpmsign signs it. */
function signed(key: GpgKey, options: readonly string[] = [], digest = 'sha256', rpm = plain): Uint8Array {
  const path = paths.pop() ?? ''
  writeFileSync(path, rpm)
  keyring.signPackage(key, path, options, digest)
  return readBytes(path)
}

interface Case {
  readonly name: string
  readonly rpm: () => Uint8Array
  readonly keys: () => readonly { readonly key: GpgKey; readonly armored: string }[]
  /** 'pinned', or the code of the fault. */
  readonly ours: string
  /** With allow-unsigned-packages, when it differs. */
  readonly lenient?: string
  readonly rpmkeys: boolean
  readonly why?: string
}

const made: Record<string, GpgKey> = {}
const pin =
  (...names: readonly string[]) =>
  () =>
    names.map(name => ({
      key: made[name] ?? { fingerprint: '' },
      armored: keyring.armored(made[name] ?? { fingerprint: '' }),
    }))
const keyOf = (name: string): GpgKey => made[name] ?? { fingerprint: '' }

beforeAll(() => {
  made.rsa = keyring.generate('rsa', 'rsa3072')
  made.other = keyring.generate('other', 'rsa2048')
  made.ed25519 = keyring.generate('ed25519', 'ed25519')
  made.ecdsa = keyring.generate('ecdsa', 'nistp256')
  made.dsa = keyring.generate('dsa', 'dsa1024')
  made.short = keyring.generate('short', 'rsa1024')
  made.expired = keyring.generate('expired', 'rsa2048', '1d', '20260101T000000')
  made.subkey = keyring.generateWithSubkey('subkey', 'rsa2048')
  made.subkeyExpired = keyring.generateWithSubkey('subkeyExpired', 'rsa2048', '1d', '20260101T000000')
  made.old = keyring.generate('old', 'rsa2048', 'never', '20260101T000000')
})

/** Tags of the signature header, each with a signature by gpg over the bytes. */
const detached = (signatures: Readonly<Record<number, string>>, bytes = header, options: readonly string[] = []) =>
  withSignatures(
    plain,
    new Map(
      Object.entries(signatures).map(([tag, name]) => [
        Number(tag),
        { bin: keyring.sign(keyOf(name), bytes, options) },
      ]),
    ),
  )
const both = (rsa: string, dsa: string) => () => detached({ [signatureTags.rsa]: rsa, [signatureTags.dsa]: dsa })
const version3 = () =>
  withSignatures(plain, new Map([[signatureTags.rsa, { bin: keyring.signVersion3(keyOf('rsa'), header, directory) }]]))
const at = (time: string) => [`--faked-system-time=${time}`]
const revoked = (reason: 1 | 3, time: string) => () => [
  { key: keyOf('old'), armored: keyring.armored(keyOf('old'), { reason, time }) },
]

const accepted = { ours: 'pinned', rpmkeys: true }
const unknown = { ours: 'RPM_KEY_UNKNOWN', lenient: 'null', rpmkeys: false }
const weak = { ours: 'RPM_SIGNATURE_WEAK', rpmkeys: true, why: 'rpm 4.18 leaves strength to its crypto library' }
const noTime = 'rpm 4.18 does not compare times of keys and signatures with the clock'
const every = 'rpm wants every signature to be by a key that it has; one pinned key is enough for us'
const noRevocation = 'rpm 4.18 does not look at revocations'
const unsupported = 'the rpm of Debian 12 was built without ECDSA'

const cases: readonly Case[] = [
  { name: 'RSA', rpm: () => signed(keyOf('rsa')), keys: pin('rsa'), ...accepted },
  { name: 'RSA, another key pinned too', rpm: () => signed(keyOf('rsa')), keys: pin('rsa', 'other'), ...accepted },
  { name: 'RSA, SHA-512', rpm: () => signed(keyOf('rsa'), [], 'sha512'), keys: pin('rsa'), ...accepted },
  { name: 'Ed25519', rpm: () => signed(keyOf('ed25519')), keys: pin('ed25519'), ...accepted },
  {
    name: 'ECDSA',
    rpm: () => detached({ [signatureTags.dsa]: 'ecdsa' }),
    keys: pin('ecdsa'),
    ours: 'pinned',
    rpmkeys: false,
    why: unsupported,
  },
  { name: 'a subkey', rpm: () => signed(keyOf('subkey')), keys: pin('subkey'), ...accepted },
  { name: 'version 3', rpm: version3, keys: pin('rsa'), ...accepted },
  {
    name: 'none',
    rpm: () => plain,
    keys: pin('rsa'),
    ours: 'RPM_SIGNATURE_MISSING',
    lenient: 'null',
    rpmkeys: false,
  },
  { name: 'a key that is not pinned', rpm: () => signed(keyOf('other')), keys: pin('rsa'), ...unknown },
  {
    name: 'a key that has expired since',
    rpm: () => signed(keyOf('expired'), at('20260101T120000')),
    keys: pin('expired'),
    ours: 'RPM_KEY_EXPIRED',
    rpmkeys: true,
    why: noTime,
  },
  {
    name: 'a subkey that has expired since',
    rpm: () => signed(keyOf('subkeyExpired'), at('20260101T120000')),
    keys: pin('subkeyExpired'),
    ours: 'RPM_KEY_EXPIRED',
    rpmkeys: true,
    why: noTime,
  },
  { name: 'SHA-1', rpm: () => signed(keyOf('rsa'), [], 'sha1'), keys: pin('rsa'), ...weak },
  { name: 'MD5', rpm: () => signed(keyOf('rsa'), [], 'md5'), keys: pin('rsa'), ...weak },
  {
    name: 'RIPEMD-160',
    rpm: () => detached({ [signatureTags.rsa]: 'rsa' }, header, ['--digest-algo', 'ripemd160']),
    keys: pin('rsa'),
    ours: 'RPM_SIGNATURE_WEAK',
    rpmkeys: false,
  },
  { name: 'DSA', rpm: () => signed(keyOf('dsa')), keys: pin('dsa'), ...weak },
  { name: 'RSA with 1024 bits', rpm: () => signed(keyOf('short')), keys: pin('short'), ...weak },
  {
    name: 'from the future',
    rpm: () => signed(keyOf('rsa'), at('20300101T120000')),
    keys: pin('rsa'),
    ours: 'RPM_SIGNATURE_INVALID',
    rpmkeys: true,
    why: noTime,
  },
  {
    name: 'expired',
    rpm: () =>
      detached({ [signatureTags.rsa]: 'old' }, header, ['--default-sig-expire', '1d', ...at('20260301T120000')]),
    keys: pin('old'),
    ours: 'RPM_SIGNATURE_EXPIRED',
    rpmkeys: false,
  },
  {
    name: 'over header and payload only',
    rpm: () => detached({ [signatureTags.pgp]: 'rsa' }, Buffer.concat([header, payload])),
    keys: pin('rsa'),
    ours: 'RPM_SIGNATURE_MISSING',
    lenient: 'null',
    rpmkeys: true,
    why: 'rpm 4.18 takes these where there is no other',
  },
  {
    name: 'two, the first pinned',
    rpm: both('rsa', 'ed25519'),
    keys: pin('rsa'),
    ours: 'pinned',
    rpmkeys: false,
    why: every,
  },
  {
    name: 'two, the second pinned',
    rpm: both('rsa', 'ed25519'),
    keys: pin('ed25519'),
    ours: 'pinned',
    rpmkeys: false,
    why: every,
  },
  { name: 'two, RSA and DSA, both pinned', rpm: both('rsa', 'dsa'), keys: pin('rsa', 'dsa'), ...accepted },
  { name: 'two, none pinned', rpm: both('rsa', 'ed25519'), keys: pin('other'), ...unknown },
  {
    name: 'over other bytes',
    rpm: () => detached({ [signatureTags.rsa]: 'rsa' }, payload),
    keys: pin('rsa'),
    ours: 'RPM_SIGNATURE_INVALID',
    rpmkeys: false,
  },
  {
    name: 'two, one of them over other bytes',
    rpm: () => {
      const [rsa, other] = [keyring.sign(keyOf('rsa'), payload), keyring.sign(keyOf('ed25519'), header)]
      return withSignatures(
        plain,
        new Map([
          [signatureTags.rsa, { bin: rsa }],
          [signatureTags.dsa, { bin: other }],
        ]),
      )
    },
    keys: pin('ed25519', 'rsa'),
    ours: 'RPM_SIGNATURE_INVALID',
    rpmkeys: false,
  },
  {
    name: 'a key that was compromised later',
    rpm: () => signed(keyOf('old'), at('20260201T120000')),
    keys: revoked(1, '20260301T000000'),
    ours: 'RPM_KEY_REVOKED',
    rpmkeys: true,
    why: noRevocation,
  },
  {
    name: 'a key that was retired later',
    rpm: () => signed(keyOf('old'), at('20260201T120000')),
    keys: revoked(3, '20260301T000000'),
    ours: 'pinned',
    rpmkeys: true,
  },
  {
    name: 'a key that was retired before',
    rpm: () => signed(keyOf('old'), at('20260401T120000')),
    keys: revoked(3, '20260301T000001'),
    ours: 'RPM_KEY_REVOKED',
    rpmkeys: true,
    why: noRevocation,
  },
]

function wantedOf(rpm: Uint8Array, changes: Partial<RepositoryPackage> = {}): RepositoryPackage {
  const { name, evr, arch, sourceRpm } = parseRpm(rpm, 'x').header
  const location = 'https://mirror.example.org/kernel-core.rpm'
  return {
    name,
    evr,
    arch: arch ?? '',
    sourceRpm,
    checksum: '',
    checksumType: 'sha256',
    size: rpm.length,
    location,
    ...changes,
  }
}

async function outcome(
  rpm: Uint8Array,
  keys: readonly { key: GpgKey; armored: string }[],
  allowUnsignedPackages: boolean,
  wanted = wantedOf(plain),
): Promise<string> {
  const rpmKeys = keys.map(({ key, armored }) => ({ fingerprint: key.fingerprint, key: { armored } }))
  try {
    const { signer } = await trustPackage(rpm, wanted, await readPackageTrust({ rpmKeys, allowUnsignedPackages }))
    if (signer === null) return 'null'
    expect(signer).toBe(keys[0]?.key.fingerprint)
    return 'pinned'
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
}

describe('a package signed by', () => {
  it.each(cases)('$name', async ({ rpm, keys, ours, lenient, rpmkeys }) => {
    const bytes = rpm()
    const pinned = keys()
    const theirs = rpmAccepts(
      directory,
      pinned.map(({ armored }) => armored),
      bytes,
    )
    expect(
      { ours: await outcome(bytes, pinned, false), lenient: await outcome(bytes, pinned, true), rpm: theirs.ok },
      theirs.output,
    ).toEqual({ ours, lenient: lenient ?? ours, rpm: rpmkeys })
  })

  it('where rpm accepts what we refuse, or refuses what we accept, the row says why', () => {
    for (const { name, ours, rpmkeys, why } of cases)
      expect((ours === 'pinned') !== rpmkeys, name).toBe(why !== undefined)
  })
})

describe('a genuine signature', () => {
  const newer = { ...input, release: '57.el9' }
  const refused = async (rpm: Uint8Array, code: string, wanted?: RepositoryPackage) => {
    const keys = pin('rsa')()
    expect(await outcome(rpm, keys, false, wanted)).toBe(code)
    expect(await outcome(rpm, keys, true, wanted)).toBe(code)
  }
  const tagOf = (rpm: Uint8Array) => {
    const { signatureHeader } = openRpm(rpm, 'signed')
    return new Map([[signatureTags.rsa, { bin: bytesOf(signatureHeader, signatureTags.rsa) ?? new Uint8Array() }]])
  }

  it('does not help a payload that was changed, and rpm agrees', async () => {
    const rpm = signed(keyOf('rsa'))
    rpm[rpm.length - 9] = (rpm.at(-9) ?? 0) ^ 1
    await refused(rpm, 'RPM_DIGEST_MISMATCH')
    expect(rpmAccepts(directory, [keyring.armored(keyOf('rsa'))], rpm).ok).toBe(false)
  })

  it('does not help the payload of another package beside the genuine header, and rpm agrees', async () => {
    const other = partsOf(makeRpm({ ...input, files: [{ path: '/data', content: 'the payload of another' }] }))
    const rpm = assembleRpm({ header, payload: other.payload, tags: tagOf(signed(keyOf('rsa'))) })
    await refused(rpm, 'RPM_DIGEST_MISMATCH')
    expect(rpmAccepts(directory, [keyring.armored(keyOf('rsa'))], rpm).ok).toBe(false)
  })

  it('does not help a changed header that the signature header gives new digests of, and rpm agrees', async () => {
    const rpm = assembleRpm({ ...partsOf(makeRpm(newer)), tags: tagOf(signed(keyOf('rsa'))) })
    await refused(rpm, 'RPM_SIGNATURE_INVALID', wantedOf(makeRpm(newer)))
    expect(rpmAccepts(directory, [keyring.armored(keyOf('rsa'))], rpm).ok).toBe(false)
  })

  it('does not help an old package that the metadata gives a new name', async () => {
    await refused(signed(keyOf('rsa')), 'RPM_IDENTITY_MISMATCH', wantedOf(makeRpm(newer)))
    await refused(signed(keyOf('rsa')), 'RPM_IDENTITY_MISMATCH', wantedOf(plain, { name: 'kernel' }))
  })

  it('is not enough without a digest of the payload in the header', async () => {
    const tags = new Map<number, TagValue>([
      [1000, { string: 'kernel-core' }],
      [1001, { string: '6.1.0' }],
      [1002, { string: '56.el9' }],
      [1022, { string: 'x86_64' }],
      [1044, { string: 'kernel-6.1.0-56.el9.src.rpm' }],
    ])
    const old = makeRpmHeader(tags, { region: 63 })
    const bin = keyring.sign(keyOf('rsa'), old)
    const rpm = assembleRpm({ header: old, payload, tags: new Map([[signatureTags.rsa, { bin }]]) })
    expect(await outcome(rpm, pin('rsa')(), false)).toBe('RPM_DIGEST_MISMATCH')
    expect(await outcome(assembleRpm({ header: old, payload }), pin('rsa')(), true)).toBe('null')
  })

  it('is refused with a tag outside of what is signed, and rpm agrees', async () => {
    const tags = new Map<number, TagValue>([
      [1000, { string: 'kernel-core' }],
      [1001, { string: '6.1.0' }],
      [1002, { string: '56.el9' }],
    ])
    const covered = makeRpmHeader(tags, { region: 63 })
    const added = new Map<number, TagValue>([[1022, { string: 'x86_64' }]])
    const bin = keyring.sign(keyOf('rsa'), covered)
    const rpm = assembleRpm({
      header: makeRpmHeader(tags, { region: 63, added }),
      payload,
      tags: new Map([[signatureTags.rsa, { bin }]]),
    })
    await refused(rpm, 'RPM_INVALID')
    expect(rpmAccepts(directory, [keyring.armored(keyOf('rsa'))], rpm).ok).toBe(false)
  })

  it('is accepted with a tag behind the region of the signature header, as IMA tools put it there; rpm agrees', async () => {
    const bin = keyring.sign(keyOf('rsa'), header)
    const tags = new Map<number, TagValue>([[signatureTags.rsa, { bin }]])
    const added = new Map<number, TagValue>([[274, { strings: ['00'] }]])
    const rpm = assembleRpm({ header, payload, tags, added })
    expect(await outcome(rpm, pin('rsa')(), false)).toBe('pinned')
    expect(rpmAccepts(directory, [keyring.armored(keyOf('rsa'))], rpm).ok).toBe(true)
  })

  it('is refused when the file is cut anywhere', async () => {
    const rpm = signed(keyOf('ed25519'))
    const keys = pin('ed25519')()
    for (const cut of cuts(rpm, 400)) {
      const found = await outcome(cut, keys, true)
      expect(['RPM_INVALID', 'RPM_DIGEST_MISMATCH'], `cut at ${cut.length}`).toContain(found)
    }
  })

  it('holds for nothing but the bytes that were signed: every byte of the file turned over', async () => {
    const rpm = withSignatures(plain, new Map([[signatureTags.dsa, { bin: keyring.sign(keyOf('ed25519'), header) }]]))
    const keys = pin('ed25519')()
    const start = rpm.length - payload.length - header.length
    for (const { offset, bytes } of flips(rpm, Number.POSITIVE_INFINITY)) {
      const found = await outcome(bytes, keys, false)
      // lead and signature header are not signed: what is accepted there still is the package that was signed
      if (offset >= start) expect(found, `byte ${offset}`).not.toBe('pinned')
      if (found === 'pinned') expect(partsOf(bytes)).toEqual({ header, payload })
    }
  })
})
