// Signed packages through the bundled Action: accepted by a pinned key, refused in every other case before anything is written.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { load } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms, type PackagedRpm } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { makePackageSigner, type PackageSigner } from '../build/package-signer.ts'
import { expectRefused, type Refusal } from '../build/refusal.ts'
import { partsOf, withSignatures } from '../build/rpm-signature.ts'

const seed = 'e2e-signatures'
const changelog = [605, 604, 570].map(release => ({
  time: 1_763_000_000,
  title: `Some Body <a@example.org> [5.14.0-${release}.el9]`,
  text: `- change of ${release} {CVE-2025-10${release}} \`\`\` @everyone`,
}))
const plain = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9', changelog })
const root = resolve(import.meta.dirname, '../..')

let base: BaseImage
let signer: PackageSigner
let other: PackageSigner
let signed: readonly PackagedRpm[]
let directory: string
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'attested-os-update-keys-'))
  base = await makeBaseImage({ seed })
  signer = await makePackageSigner('packager')
  other = await makePackageSigner('stranger')
  signed = await signAll(plain, signer)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function signAll(packages: readonly PackagedRpm[], by: PackageSigner): Promise<PackagedRpm[]> {
  return await Promise.all(packages.map(async one => ({ ...one, bytes: await by.signPackage(one.bytes) })))
}

const strict = (...keys: readonly PackageSigner[]) => ({
  'allow-unsigned-packages': '',
  'rpm-keys': keys.map(({ armored, fingerprint }) => `${armored.trim()}\n#${fingerprint}`).join('\n'),
})

describe('packages signed by a pinned key', () => {
  it('are proposed; pull request and record say by whom they are signed', async () => {
    await LoopbackWorld.during({ base }, async world => {
      world.publish(signed)
      const path = join(directory, 'key.asc')
      writeFileSync(path, signer.armored)
      const run = await world.update({ ...strict(), 'rpm-keys': `${path}#${signer.fingerprint.toLowerCase()}` })
      expect(run.exitCode, run.stdout).toBe(0)
      expect(run.outputs.outcome).toBe('created')
      const body = world.github.pullRequests[0]?.body ?? ''
      expect(body.split(`\`${signer.fingerprint}\``)).toHaveLength(plain.length + 1)
      expect(body).not.toContain('allow-unsigned-packages')
      expect(body).toContain('2 CVE ids: `CVE-2025-10604`, `CVE-2025-10605`')
      expect(body).toContain('  - change of 604')
      expect(body).not.toContain('change of 570')
      const name = `osimg-${run.outputs.digest?.slice(7, 39)}.yaml`
      const branch = 'refs/heads/attested-os-update/clusters-one/update'
      const record = load(world.git.text('show', `${branch}:clusters/one/os-images/${name}`)) as {
        kernel: { packages: { signer: string | null }[] }
      }
      expect(record.kernel.packages.map(one => one.signer)).toEqual(plain.map(() => signer.fingerprint))
    })
  })

  it('are proposed by an Action that is nothing but dist/, with a key in the input', async () => {
    const alone = join(directory, 'alone')
    cpSync(join(root, 'dist'), alone, { recursive: true })
    expect(readdirSync(alone)).toContain('openpgp.mjs')
    await LoopbackWorld.during({ base }, async world => {
      world.publish(signed)
      const run = await world.update(strict(other, signer), { entry: join(alone, 'index.js') })
      expect(run.exitCode, run.stdout).toBe(0)
      expect(run.outputs.outcome).toBe('created')
      rmSync(join(alone, 'openpgp.mjs'))
      const without = await world.update(
        { ...strict(signer), directory: 'clusters/two' },
        { entry: join(alone, 'index.js') },
      )
      expect(without.exitCode).toBe(70)
    })
  })

  it('are asked for as soon as signatures are, also where the same packages were proposed without', async () => {
    await LoopbackWorld.during({ base }, async world => {
      world.publish(plain)
      expect((await world.update()).outputs.outcome).toBe('created')
      expect((await world.update()).outputs.outcome).toBe('unchanged')
      const run = await world.update(strict(signer))
      expect([run.exitCode, run.outputs['error-code']], run.stdout).toEqual([1, 'RPM_SIGNATURE_MISSING'])
    })
  })

  it('OpenPGP.js is the published file', () => {
    const [ours, theirs] = ['dist/openpgp.mjs', 'node_modules/openpgp/dist/node/openpgp.mjs'].map(path =>
      readFileSync(join(root, path)),
    )
    expect(ours?.equals(theirs ?? Buffer.alloc(0))).toBe(true)
    expect(readFileSync(join(root, 'dist/licenses.txt'), 'utf8')).toMatch(/^openpgp 6\.\d+\.\d+ \(LGPL-3\.0\+\)$/m)
  })

  it('packages that nobody signed are told apart where both are allowed', async () => {
    await LoopbackWorld.during({ base }, async world => {
      world.publish([...signed.slice(0, 2), ...plain.slice(2)])
      const run = await world.update({ ...strict(signer), 'allow-unsigned-packages': 'true' })
      expect(run.exitCode, run.stdout).toBe(0)
      const body = world.github.pullRequests[0]?.body ?? ''
      expect(body).toContain(`${plain.length - 2} of ${plain.length} packages have no signature by a pinned key`)
      expect(body.split('**nobody**')).toHaveLength(plain.length - 1)
    })
  })
})

interface Row extends Refusal {
  readonly name: string
  readonly packages: () => Promise<readonly PackagedRpm[]> | readonly PackagedRpm[]
  readonly inputs?: () => Readonly<Record<string, string>>
}

/** The last package of the signed set changed; all others are right. */
const lastAs = (change: (rpm: Uint8Array) => Uint8Array) => () =>
  signed.map((one, index) => (index === signed.length - 1 ? { ...one, bytes: change(one.bytes) } : one))

const rows: readonly Row[] = [
  {
    name: 'one package without a signature',
    packages: lastAs(rpm => withSignatures(rpm, new Map())),
    code: 'RPM_SIGNATURE_MISSING',
    words: ['kernel-modules-extra-5.14.0-605.el9.x86_64.rpm', 'no signature', 'allow-unsigned-packages: true'],
  },
  {
    name: 'packages of another signer',
    packages: () => signAll(plain, other),
    code: 'RPM_KEY_UNKNOWN',
    words: ['a signature by', 'rpm-keys'],
  },
  {
    name: 'a payload that does not belong to its signed header',
    packages: lastAs(rpm => {
      const payload = partsOf(signed[0]?.bytes ?? rpm).payload
      const start = rpm.length - partsOf(rpm).payload.length
      return new Uint8Array(Buffer.concat([rpm.subarray(0, start), payload]))
    }),
    code: 'RPM_DIGEST_MISMATCH',
    words: ['kernel-modules-extra'],
    inputs: () => ({ 'allow-unsigned-packages': 'true' }),
  },
  {
    name: 'a signature that does not fit, though unsigned packages are allowed',
    packages: lastAs(rpm => {
      const { header } = partsOf(
        makeKernelRpms({ seed: 'x', version: '5.14.0', release: '605.el9' }).at(-1)?.bytes ?? rpm,
      )
      const { payload } = partsOf(rpm)
      const start = rpm.length - payload.length - partsOf(rpm).header.length
      const tags = rpm.subarray(0, start)
      return new Uint8Array(Buffer.concat([tags, header, payload]))
    }),
    code: 'RPM_DIGEST_MISMATCH',
    words: ['kernel-modules-extra', 'header'],
    inputs: () => ({ 'allow-unsigned-packages': 'true' }),
  },
  {
    name: 'a key that is not the one of the fingerprint',
    packages: () => signed,
    code: 'RPM_KEY_FILE_INVALID',
    words: ['does not hold the key that is pinned', 'compare the fingerprint'],
    inputs: () => ({ 'rpm-keys': `${other.armored.trim()}#${signer.fingerprint}` }),
  },
]

describe('nothing is written for', () => {
  for (const { name, packages, inputs, ...refusal } of rows)
    it.concurrent(`${name}: ${refusal.code}`, async () => {
      await LoopbackWorld.during({ base }, async world => {
        world.publish(await packages())
        const image = await world.assemble(plain)
        await expectRefused(world, { ...refusal, inputs: { image, ...strict(signer), ...inputs?.() } })
      })
    })

  it('an old signed package that the metadata calls the new one: RPM_IDENTITY_MISMATCH', async () => {
    const old = await signAll(makeKernelRpms({ seed, version: '5.13.0', release: '605.el9' }), signer)
    await LoopbackWorld.during({ base }, async world => {
      world.publish(signed)
      world.publishRepository({ packages: old.map(({ bytes }) => ({ rpm: bytes, version: '5.14.0' })) })
      await expectRefused(world, {
        code: 'RPM_IDENTITY_MISMATCH',
        words: ['5.13.0-605.el9', '5.14.0-605.el9'],
        inputs: strict(signer),
      })
    })
  })
})
