// `predict --format`: the forms of other programs, for mixes and for one image, compared with boots of each mix.

import { beforeAll, expect, it } from 'vitest'
import { makeGrub } from '../build/boot-files.ts'
import { runCli } from '../build/bundle-runner.ts'
import { imageHistory } from '../build/image-history.ts'
import { authenticodeOf, digestsOf, folded } from '../build/measured-boot.ts'
import { expectCliRefused } from '../build/predict-runs.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-formats'
const history = imageHistory(seed, temporaryDirectory())
const { given, bootOf, rack, words } = history
const { files } = words
beforeAll(history.write)

const format = async (name: string, ...more: readonly string[]) => {
  const run = await runCli(['predict', '--quiet', '--format', name, ...rack, ...more])
  expect(run.stderr).toBe('')
  expect(run.exitCode).toBe(0)
  return JSON.parse(run.stdout)
}
const pairs = () => [bootOf(0, 0), bootOf(0, 1), bootOf(1, 0), bootOf(1, 1)]
const valuesIn = (pcr: string) => [...new Set(pairs().map(values => values[pcr] ?? ''))].sort()
const trustee = (shape: string) => format('trustee', '--trustee-shape', shape, '--mixes', ...given(0, 1))

it.concurrent('trustee, list: each value once under the names that policies read', async () => {
  const list = (await trustee('list')) as { name: string; expired: string; 'hash-value': object[] }[]
  const hashes = (pcr: string) => valuesIn(pcr).map(value => ({ alg: 'sha256', value }))
  expect(list.map(one => [one.name, one['hash-value']])).toEqual([
    ['tpm_pcr4', hashes('4')],
    ['tpm_pcr14', hashes('14')],
  ])
  for (const { expired } of list) expect(expired).toMatch(/^\d{4}-\d\d-\d\dT00:00:00Z$/)
})

it.concurrent('trustee without a platform: only what Secure Boot on gives becomes a value', async () => {
  const more = ['--trustee-shape=map', '--mixes', ...given(0, 1)]
  const run = await runCli(['predict', '--format', 'trustee', ...more])
  expect(run.exitCode, run.stderr).toBe(0)
  expect(JSON.parse(run.stdout).tpm_pcr4.value).toEqual(valuesIn('4'))
})

it.concurrent('trustee, map', async () => {
  expect(await trustee('map')).toEqual({
    tpm_pcr4: { expiration: expect.any(String), value: valuesIn('4') },
    tpm_pcr14: { expiration: expect.any(String), value: valuesIn('14') },
  })
})

it.concurrent('trustee, tuples: the values of one boot together, and the policy that reads them', async () => {
  const { referenceValues, policy } = await trustee('tuples')
  const tuples = pairs().map(({ 4: pcr04, 7: pcr07, 14: pcr14 }) => JSON.stringify({ pcr04, pcr07, pcr14 }))
  expect(Object.keys(referenceValues)).toEqual(['tpm_pcr_tuples'])
  expect(referenceValues.tpm_pcr_tuples.value.map((one: object) => JSON.stringify(one))).toEqual(tuples.sort())
  expect(policy).toContain('query_reference_value("tpm_pcr_tuples")')
})

it.concurrent('pcrlock: what systemd adds before, and the components in their order, make PCR 4', async () => {
  const written = (await format('pcrlock', ...given(0))) as Record<
    string,
    { records: { pcr: number; digests: { hashAlg: string; digest: string }[] }[] }
  >
  expect(Object.keys(written)).toEqual(Object.keys(written).toSorted())
  const own = Object.keys(written)
    .toSorted()
    .flatMap(name => written[name]?.records ?? [])
    .filter(({ pcr }) => pcr === 4)
    .map(({ digests }) => digests.find(({ hashAlg }) => hashAlg === 'sha256')?.digest ?? '')
  const systemd = [Buffer.from('Calling EFI Application from Boot Option'), new Uint8Array(4)]
  const before = systemd.map(data => digestsOf(new Uint8Array(data)).sha256)
  expect(folded('sha256', [...before, ...own])).toBe(bootOf(0, 0)['4'])
})

it.concurrent('pcrlock without a platform: nobody said that Secure Boot is off, so it is the boot with it on', async () => {
  const pcrlock = async (...more: readonly string[]) => {
    const run = await runCli(['predict', '--quiet', '--format', 'pcrlock', ...given(0), ...more])
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
    return run.stdout
  }
  expect(await pcrlock()).toBe(await pcrlock('--secure-boot', 'on'))
  expect(await pcrlock()).not.toBe(await pcrlock('--secure-boot', 'off'))
})

it.concurrent('keylime: files by their Authenticode digest, what is not known left open', async () => {
  const hex = (bytes: Uint8Array) => `0x${Buffer.from(authenticodeOf(bytes).sha256).toString('hex')}`
  const policy = await format('keylime', ...given(0))
  expect(policy).toMatchObject({
    has_secureboot: true,
    scrtm_and_bios: null,
    kernels: [
      {
        shim_authcode_sha256: hex(files.shim),
        grub_authcode_sha256: hex(files.grub),
        kernel_authcode_sha256: hex(files.kernel),
        initrd_plain_sha256: `0x${Buffer.from(digestsOf(files.initramfs).sha256).toString('hex')}`,
        kernel_cmdline: null,
      },
    ],
  })
  expect(policy.mokdig).toHaveLength(1)
})

it.concurrent('compute-pcrs: every PCR with the events that make it', async () => {
  const { pcrs } = (await format('compute-pcrs', ...given(1))) as {
    pcrs: {
      id: number
      value: string
      events: { pcr: number; hash: string; id: string }[]
    }[]
  }
  expect(pcrs.map(({ id, value }) => [id, value])).toEqual([4, 7, 14].map(pcr => [pcr, bootOf(1, 1)[`${pcr}`]]))
  for (const { value, events } of pcrs)
    expect(
      folded(
        'sha256',
        events.map(({ hash }) => hash),
      ),
    ).toBe(value)
})

it.concurrent('a GRUB that measures twice: pcrlock takes it, compute-pcrs has no name for it', async () => {
  const twice = words.image({ grub: makeGrub({ seed, sbat: 'debian-2.06' }) })
  await expectCliRefused(['predict', '--format', 'compute-pcrs', ...rack, ...twice], {
    code: 'FORMAT_CANNOT_EXPRESS',
    says: ['Pcr4VmlinuzAgain'],
  })
  expect(Object.keys(await format('pcrlock', ...twice)).join()).toContain('650-kernel')
})
