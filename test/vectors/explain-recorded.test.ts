// Explanations of recorded boots against predictions from the real boot files of another boot.

import { constants, cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { explainLog } from '../../src/commands/explain.ts'
import { readLocalFile } from '../../src/edge/files.ts'
import { banks, digestInBanks, formatDigests } from '../../src/formats/bytes/digest.ts'
import { guids } from '../../src/formats/efi/guid.ts'
import { formatSignatureLists, sha256List } from '../../src/formats/efi/signature-list.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import type { BootFile } from '../../src/image/boot-file.ts'
import { calibrate } from '../../src/predict/calibration.ts'
import type { Candidate } from '../../src/predict/explain/candidates.ts'
import { explain } from '../../src/predict/explain/explain.ts'
import { explainTable } from '../../src/predict/explain/table.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import { parseShimBuild } from '../../src/predict/shim/shim-build.ts'
import type { BootFilePath, ExplainOptions } from '../../src/settings/settings.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('explanations of recorded boots from real boot files')

const [kernelA, kernelB] = ['vmlinuz-6.1.0-50-amd64', 'vmlinuz-6.1.0-56-amd64']
const directory = temporaryDirectory()
const logOf = (boot: string) => parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
const pathsOf = (kernel: string) => [
  { role: 'shim' as const, path: shared.path('inputs', 'shimx64.efi') },
  { role: 'grub' as const, path: shared.path('inputs', 'grubx64.efi') },
  { role: 'kernel' as const, path: shared.path('inputs', kernel) },
]

async function candidates(label: string, kernel: string, secureBoot?: boolean): Promise<Candidate[]> {
  const files: BootFile[] = []
  for (const { role, path } of pathsOf(kernel))
    files.push({ role, path, layer: null, bytes: await readLocalFile(path, 64 * 1024 * 1024) })
  const { bootFiles, predictions } = predictImage({ files, secureBoot, banks })
  const shim = files[0]?.bytes ?? new Uint8Array(0)
  const vendorMokList = formatDigests(digestInBanks(parseShimBuild(parsePe(shim, 'shim')).mokList))
  return predictions.map(prediction => ({ label, image: label, bootFiles, vendorMokList, prediction }))
}

const reasonsOf = ({ document }: ReturnType<typeof explain>) =>
  document.pcrs.map(({ pcr, bank, firstDifference }) => `${pcr} ${bank} ${firstDifference?.reason.code ?? 'equal'}`)

const inBanks = (pcr: number, code: string) => banks.map(bank => `${pcr} ${bank} ${code}`)

describe.skipIf(shared.missing)('explain with real boot files', () => {
  it('the boot of these very files is equal, and calibrates the prediction', async () => {
    const [a] = await candidates('A', kernelA, true)
    const explanation = explain({ log: logOf('grub-sb'), candidates: a === undefined ? [] : [a], banks })
    expect(reasonsOf(explanation)).toEqual([...inBanks(4, 'equal'), ...inBanks(14, 'equal')])
    expect(a && calibrate(a.prediction, logOf('grub-sb')).calibration).toBe('matched')
    expect(a && calibrate(a.prediction, logOf('grub-sb-newkernel')).calibration).toBe('uncalibrated')
  })

  it('the new kernel is of no known image, or of one that is retired', async () => {
    const log = logOf('grub-sb-newkernel')
    const a = await candidates('A', kernelA, true)
    const alone = explain({ log, candidates: a, banks })
    expect(reasonsOf(alone)).toEqual([...inBanks(4, 'KERNEL_OF_NO_KNOWN_IMAGE'), ...inBanks(14, 'equal')])
    expect(alone.document.pcrs[0]?.firstDifference?.index).toBe(51)
    const b = (await candidates('B', kernelB, true)).map(one => ({ ...one, retired: true }))
    const known = explain({ log, candidates: [...b, ...a], banks })
    expect(reasonsOf(known)).toEqual([...inBanks(4, 'KERNEL_OF_OTHER_IMAGE'), ...inBanks(14, 'equal')])
    expect(known.document.pcrs[0]?.firstDifference?.reason.text).toContain(
      `kernel of B (${shared.path('inputs', kernelB)})`,
    )
  })

  it('an enrolled MOK', async () => {
    const explanation = explain({ log: logOf('grub-sb-mok'), candidates: await candidates('A', kernelA, true), banks })
    expect(reasonsOf(explanation)).toEqual([...inBanks(4, 'equal'), ...inBanks(14, 'MOK_ENROLLED')])
    expect(explainTable(explanation).split('\n')[0]).toMatch(/^PCR 14: a machine owner key \(MOK\) is enrolled/)
  })

  it('Secure Boot off, unless that was predicted too', async () => {
    const log = logOf('grub-nosb')
    const explanation = explain({ log, candidates: await candidates('A', kernelA, true), banks })
    expect(reasonsOf(explanation)).toEqual([...inBanks(4, 'SECURE_BOOT_OFF_HERE'), ...inBanks(14, 'equal')])
    const said = explain({ log, candidates: await candidates('A', kernelA, false), banks })
    expect(said.document.pcrs.every(one => one.equal)).toBe(true)
  })

  it.each([
    [undefined, ['4 SECURE_BOOT_OFF_HERE']],
    [false, ['9 KERNEL_OF_NO_KNOWN_IMAGE']],
  ])('another kernel without Secure Boot, off said: %s', async (secureBoot, reasons) => {
    const files = pathsOf(kernelB)
    const off = { platforms: [], secureBoot, banks: ['sha256'] } as const
    expect((await explainFiles(files, undefined, 'grub-nosb', off)).map(one => one.replace(/:.*/s, ''))).toEqual(
      reasons,
    )
    const own = await explainFiles(pathsOf(kernelA), undefined, 'grub-nosb', off)
    expect(own).toHaveLength(secureBoot === false ? 0 : 1)
  })

  it.each(['uki-sb', 'uki-nosb', 'uki257-sb', 'sdboot257-uki-sb', 'shim-uki-sb-mok'])(
    'the boot %s of another chain is explained, too',
    async boot => {
      const { document } = explain({ log: logOf(boot), candidates: await candidates('A', kernelA, true), banks })
      const codes = new Set(document.pcrs.map(one => one.firstDifference?.reason.code))
      expect(codes).not.toContain('UNKNOWN')
      expect(document.pcrs.find(one => one.pcr === 4)?.equal).toBe(false)
    },
  )
})

const grub = pathsOf(kernelA)
const uki = [{ role: 'uki' as const, path: shared.path('inputs', 'uki-252-A.signed.efi') }]
const efivars = (boot: string) => shared.path('boots', boot, 'efivars')

async function explainFiles(
  files: readonly BootFilePath[],
  profile: string | undefined,
  boot: string,
  changes: Partial<ExplainOptions> = {},
): Promise<readonly string[]> {
  const { document, text, differs } = await explainLog({
    architecture: 'amd64',
    platforms: profile === undefined ? [] : [{ name: 'node', directories: [profile] }],
    secureBoot: undefined,
    cache: false,
    cacheDirectory: undefined,
    banks: ['sha384'],
    phase: 'enter-initrd',
    bootChain: undefined,
    allowInsecure: false,
    source: { kind: 'boot-files', files },
    log: shared.path('boots', boot, 'eventlog.bin'),
    pcrs: undefined,
    ...changes,
  })
  expect(Math.max(...text.split('\n').map(line => line.length))).toBeLessThanOrEqual(80)
  expect(document).toMatchObject({ platform: profile === undefined ? null : 'node', image: null })
  expect(differs).toBe(document.pcrs.some(one => !one.equal))
  return document.pcrs.flatMap(({ pcr, firstDifference }) =>
    firstDifference === undefined ? [] : `${pcr} ${firstDifference.reason.code}: ${firstDifference.reason.text}`,
  )
}

/** A copy of the profile of a boot with some files changed. */
function changedProfile(boot: string, name: string, change: (bytes: Uint8Array) => Uint8Array): string {
  const profile = mkdtempSync(join(directory, 'profile-'))
  cpSync(efivars(boot), profile, { recursive: true, mode: constants.COPYFILE_FICLONE })
  const file = readdirSync(profile).find(one => one.startsWith(`${name}-`)) ?? name
  const bytes = change(shared.bytes('boots', boot, 'efivars', file))
  rmSync(join(profile, file))
  writeFileSync(join(profile, file), bytes)
  return profile
}

describe.skipIf(shared.missing)('explain with real boot files and platform profiles', () => {
  it.each([
    { files: grub, boot: 'grub-sb' },
    { files: grub, boot: 'grub-nosb' },
    { files: grub, boot: 'grub-sb-mok' },
    { files: uki, boot: 'uki-sb' },
    { files: uki, boot: 'uki-nosb' },
  ])('$boot is as predicted from its own profile, also with what the TPM held', async ({ files, boot }) => {
    expect(await explainFiles(files, efivars(boot), boot)).toEqual([])
    const pcrs = shared.path('boots', boot, 'pcrs.json')
    expect(await explainFiles(files, efivars(boot), boot, { pcrs, phase: 'none' })).toEqual([])
  })

  it.each([
    {
      files: grub,
      profile: 'grub-sb',
      boot: 'grub-nosb',
      reasons: ['4 SECURE_BOOT_OFF_HERE', '7 SECURE_BOOT_OFF_HERE'],
    },
    { files: grub, profile: 'grub-nosb', boot: 'grub-sb', reasons: ['4 SECURE_BOOT_ON_HERE', '7 SECURE_BOOT_ON_HERE'] },
    { files: uki, profile: 'uki-sb', boot: 'uki-nosb', reasons: ['4 SECURE_BOOT_OFF_HERE', '7 SECURE_BOOT_OFF_HERE'] },
    { files: uki, profile: 'uki-nosb', boot: 'uki-sb', reasons: ['4 SECURE_BOOT_ON_HERE', '7 SECURE_BOOT_ON_HERE'] },
    { files: grub, profile: 'grub-sb', boot: 'grub-sb-mok', reasons: ['14 MOK_ENROLLED'] },
    { files: grub, profile: 'grub-sb-mok', boot: 'grub-sb', reasons: ['14 MOK_MISSING'] },
    { files: grub, profile: 'grub-sb', boot: 'grub-sb-newkernel', reasons: ['4 KERNEL_OF_NO_KNOWN_IMAGE'] },
    {
      files: grub,
      profile: 'grub-sb',
      boot: 'shim-uki-sb-mok',
      reasons: ['4 OTHER_BOOT_CHAIN', '7 SIGNED_BY_OTHER_CERTIFICATE', '14 MOK_ENROLLED'],
    },
    {
      files: grub,
      profile: 'grub-sb',
      boot: 'uki-sb',
      reasons: ['4 OTHER_BOOT_CHAIN', '7 PK_CHANGED', '14 OTHER_BOOT_CHAIN'],
    },
    {
      files: uki,
      profile: 'uki-sb',
      boot: 'uki257-sb',
      reasons: ['4 KERNEL_OF_NO_KNOWN_IMAGE', '11 UKI_SECTION_DIFFERS'],
    },
  ])('$boot against the profile of $profile: $reasons', async ({ files, profile, boot, reasons }) => {
    const found = await explainFiles(files, efivars(profile), boot)
    expect(found.map(one => one.replace(/:.*/s, ''))).toEqual(reasons)
  })

  it('phases that the TPM did not reach', async () => {
    const pcrs = shared.path('boots', 'uki-sb', 'pcrs.json')
    expect(await explainFiles(uki, efivars('uki-sb'), 'uki-sb', { pcrs })).toEqual([
      '11 PHASE: PCR 11 was read before any phase, and the prediction is for phase enter-initrd',
    ])
  })

  it('a dbx with one hash more in the profile than on the node', async () => {
    const more = formatSignatureLists([sha256List(guids.shimLock, new Uint8Array(32).fill(7))])
    const profile = changedProfile('grub-sb', 'dbx', bytes => new Uint8Array(Buffer.concat([bytes, more])))
    expect(await explainFiles(grub, profile, 'grub-sb')).toEqual([
      '7 DBX_CHANGED: dbx was updated on this node: 1 entry less than in the profile',
    ])
  })

  it('an SBAT level that is higher in the profile than on the node', async () => {
    const level = Buffer.from('sbat,1,2026010100\nshim,4\ngrub,5\n', 'latin1')
    const profile = changedProfile(
      'grub-sb',
      'SbatLevelRT',
      bytes => new Uint8Array(Buffer.concat([bytes.subarray(0, 4), level])),
    )
    expect(await explainFiles(grub, profile, 'grub-sb')).toEqual([
      expect.stringMatching(
        /^7 SBAT_LEVEL_LOWER: SbatLevel is lower \(2025021800\) than the prediction has it \(2026010100\)/,
      ),
    ])
  })
})
