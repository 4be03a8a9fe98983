// `explain` for logs of boots that went otherwise than predicted: which image, first difference, reason in words, exit codes 0, 1, 2 and 3.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ReasonCode } from '../../src/predict/explain/reasons.ts'
import { makeBaseImage } from '../build/base-image.ts'
import { withOtherByteInText } from '../build/boot/changed-byte.ts'
import { makeGrub, makeKernel, makeShim, seededBytes } from '../build/boot-files.ts'
import { type ProgramRun, runCli } from '../build/bundle-runner.ts'
import { imageToLog } from '../build/explained.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { hashList, makeMachine } from '../build/machine.ts'
import { authenticodeOf, type BootEvent, bootOfGrub, type GrubBoot, logOf, valuesOf } from '../build/measured-boot.ts'
import { expectCliRefused, grubFiles, wordsFor } from '../build/predict-runs.ts'
import { expectClean } from '../build/refusal.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-explain'
const directory = temporaryDirectory()
const words = wordsFor(seed, directory)
const { machine, files: old } = words
const rack = words.platform()
const next = grubFiles(seed, {
  grub: makeGrub({ seed, sbat: 'redhat-2.12' }),
  kernel: makeKernel({ seed, release: old.release, text: seededBytes(`${seed}/next`, 7000) }),
})
const images = [words.image(old), words.image(next)]
const given = images.flat()
let logs = 0

/** Writes the log of a boot and gives its path. */
function logFile(events: readonly BootEvent[]): string {
  const path = join(directory, `log-${logs++}.bin`)
  writeFileSync(path, logOf(events))
  return path
}

const bootOf = (changes: Partial<GrubBoot> = {}) => bootOfGrub({ seed, machine, secureBoot: true, ...next, ...changes })

interface Explained extends ProgramRun {
  readonly document: {
    readonly platform: string | null
    readonly image: string | null
    readonly pcrs: readonly {
      readonly pcr: number
      readonly equal: boolean
      readonly firstDifference?: {
        readonly index: number | null
        readonly expected: { readonly digest: string } | null
        readonly seen: { readonly digest: string } | null
        readonly reason: { readonly code: ReasonCode; readonly text: string }
      }
    }[]
  }
}

/** Runs `explain --json`, and without --json for the text: at most 80 columns, the same exit code. */
async function explained(log: string, ...more: readonly string[]): Promise<Explained> {
  const [run, text] = await Promise.all([
    runCli(['explain', '--json', '--log', log, ...more]),
    runCli(['explain', '--log', log, ...more]),
  ])
  for (const one of [run, text]) {
    expect(one.stderr).toBe('')
    expectClean(one)
  }
  expect(text.exitCode).toBe(run.exitCode)
  const lines = text.stdout.split('\n').filter(line => !line.includes(directory) && !line.includes('127.0.0.1:'))
  expect(lines.filter(line => line.length > 80)).toEqual([])
  return { ...run, document: JSON.parse(run.stdout) }
}

const reasons = ({ document }: Explained) =>
  Object.fromEntries(document.pcrs.flatMap(({ pcr, firstDifference: one }) => (one ? [[pcr, one.reason.code]] : [])))
const textOf = ({ document }: Explained) =>
  document.pcrs.map(({ firstDifference }) => firstDifference?.reason.text ?? '').join('\n')
const nameOf = (index: number) => images[index]?.[1] ?? ''

describe('with images', () => {
  it.concurrent.each([
    [0, old],
    [1, next],
  ] as const)('a node that booted image %i: exit code 0, and the image is named', async (index, files) => {
    const run = await explained(logFile(bootOf(files)), ...given, ...rack)
    expect(run.exitCode).toBe(0)
    expect(run.document.pcrs).toEqual([4, 7, 14].map(pcr => ({ pcr, bank: 'sha256', equal: true })))
    expect(run.document.image).toBe(nameOf(index))
    expect(run.document.platform).toBe('rack')
  })

  interface Row {
    readonly name: string
    readonly events: () => readonly BootEvent[]
    readonly codes: Readonly<Record<number, ReasonCode>>
    readonly says: readonly string[]
    readonly words?: readonly string[]
  }
  const rows: readonly Row[] = [
    {
      name: 'the boot loader of the image before',
      events: () => bootOf({ grub: old.grub }),
      codes: { 4: 'BOOT_LOADER_OF_OTHER_IMAGE' },
      says: ['still boots the GRUB of', nameOf(0), 'boot loader not updated yet'],
    },
    {
      name: 'a kernel of no image',
      events: () => bootOf({ kernel: makeKernel({ seed, release: '6.9.9' }) }),
      codes: { 4: 'KERNEL_OF_NO_KNOWN_IMAGE' },
      says: ['no known image'],
      words: [...(images[1] ?? []), ...rack],
    },
    {
      name: 'a GRUB with one byte changed',
      events: () => bootOf({ grub: withOtherByteInText(next.grub) }),
      codes: { 4: 'FILE_CHANGED' },
      says: ['GRUB', 'usr/lib/bootupd/updates/EFI/redhat/grubx64.efi', 'changed'],
      words: [...(images[1] ?? []), ...rack],
    },
    {
      name: 'a dbx that was updated',
      events: () => bootOf({ machine: makeMachine(seed, { dbx: hashList(seededBytes('newer', 32)) }) }),
      codes: { 7: 'DBX_CHANGED' },
      says: ['dbx was updated on this node'],
    },
    {
      name: 'an SBAT level of a newer shim',
      events: () => bootOf({ machine: makeMachine(seed, { sbatLevel: 'sbat,1,2025051000\nshim,4\ngrub,5\n' }) }),
      codes: { 7: 'SBAT_LEVEL_HIGHER' },
      says: ['2025051000', '2024040900', 'once booted a newer shim'],
    },
    {
      name: 'Secure Boot off',
      events: () => bootOf({ secureBoot: false }),
      codes: { 4: 'SECURE_BOOT_OFF_HERE', 7: 'SECURE_BOOT_OFF_HERE' },
      says: ['Secure Boot is off here'],
    },
    {
      name: 'a program of nobody that is named like fallback',
      events: () => {
        const events = bootOf()
        const shim = events.findIndex(({ pcr, type }) => pcr === 4 && type === 0x80000003)
        const shimFile = makeShim({ seed, version: '15.8' })
        const fallback = {
          ...imageToLog('\\EFI\\BOOT\\fbx64.efi', 'fallback'),
          digests: authenticodeOf(shimFile),
        }
        return [...events.slice(0, shim + 1), fallback, ...events.slice(shim + 1)]
      },
      codes: { 4: 'PROGRAM_OF_NO_KNOWN_IMAGE' },
      says: ['fbx64.efi', 'a program of no known image ran'],
    },
  ]
  for (const { name, events, codes, says, words: own = [...given, ...rack] } of rows)
    it.concurrent(`${name}: ${Object.values(codes)[0]}`, async () => {
      const run = await explained(logFile(events()), ...own)
      expect(run.exitCode).toBe(3)
      expect(reasons(run)).toEqual(codes)
      for (const text of says) expect(textOf(run)).toContain(text)
      for (const { equal, firstDifference } of run.document.pcrs) {
        expect(equal).toBe(firstDifference === undefined)
        if (firstDifference) expect(firstDifference.expected?.digest).not.toBe(firstDifference.seen?.digest)
      }
    })

  it.concurrent('values of the TPM: those of the log, and others', async () => {
    const log = logFile(bootOf())
    const values = valuesOf(bootOf(), 'sha256')
    const write = (name: string, sha256: object) => {
      writeFileSync(join(directory, name), JSON.stringify({ sha256 }))
      return ['--pcrs', join(directory, name)]
    }
    expect((await explained(log, ...given, ...rack, ...write('same.json', values))).exitCode).toBe(0)
    const other = { ...values, 4: 'ab'.repeat(32) }
    const run = await explained(log, ...given, ...rack, ...write('other.json', other))
    expect([run.exitCode, reasons(run)]).toEqual([3, { 4: 'LOG_DOES_NOT_REPLAY' }])
  })
})

it('with boot files: equal, no image', async () => {
  const roles = ['shim', 'grub', 'kernel'] as const
  const files = roles.flatMap(role => {
    const path = join(directory, `${role}.efi`)
    writeFileSync(path, next[role])
    return ['--boot-file', `${role}=${path}`]
  })
  const run = await explained(logFile(bootOf()), ...files)
  expect(run).toMatchObject({ exitCode: 0, document: { platform: null, image: null } })
  expect(run.document.pcrs.map(({ pcr }) => pcr)).toEqual([4, 14])
})

it('with the records of a pull request: the new image, its base, the boot loader of neither', async () => {
  const updates = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
  const base = await makeBaseImage({ seed })
  await LoopbackWorld.during({ base }, async world => {
    world.publish(updates)
    const update = await world.update()
    expect(update.exitCode, update.stdout).toBe(0)
    const gitops = join(directory, 'gitops')
    for (const [path, content] of world.git.files('refs/heads/attested-os-update/clusters-one/update')) {
      mkdirSync(dirname(join(gitops, path)), { recursive: true })
      writeFileSync(join(gitops, path), content)
    }
    const lock = ['--lock', join(gitops, 'clusters/one')]
    const boot = (release: string, changes: Partial<GrubBoot> = {}) => {
      const kernel = makeKernel({ seed, release })
      return logFile(bootOf({ grub: makeGrub({ seed, sbat: 'redhat-2.12' }), release, kernel, ...changes }))
    }
    const proposed = await explained(boot('5.14.0-605.el9.x86_64'), ...lock)
    expect([proposed.exitCode, proposed.document.image]).toEqual([0, update.outputs.image])
    const before = await explained(boot('5.14.0-570.el9.x86_64'), ...lock)
    expect(before.exitCode).toBe(0)
    expect(before.document.image).toContain(base.image.digest)
    const foreign = makeGrub({ seed: `${seed}/foreign` })
    const other = await explained(boot('5.14.0-605.el9.x86_64', { grub: foreign }), ...lock)
    expect([other.exitCode, Object.keys(reasons(other))]).toEqual([3, ['4']])
    expect(textOf(other)).toMatch(/GRUB that this node boots/)
  })
})

describe('what cannot be explained', () => {
  const empty = () => {
    const path = join(directory, 'empty.bin')
    writeFileSync(path, '')
    return path
  }
  const none = join(directory, 'none')
  const rows = [
    ['an empty log', () => ['--log', empty(), ...given], 'EVENT_LOG_INVALID', 1],
    ['a log with no event', () => ['--log', logFile([]), ...given], 'EVENT_LOG_INVALID', 1],
    ['a log that is not there', () => ['--log', none, ...given], 'FILE_NOT_FOUND', 1],
    ['no log', () => given, 'SETTING_MISSING', 2],
    ['nothing to compare with', () => ['--log', none], 'USAGE', 2],
    ['images and records', () => ['--log', none, ...given, '--lock', directory], 'USAGE', 2],
    ['a directory without records', () => ['--log', logFile(bootOf()), '--lock', none], 'FILE_NOT_FOUND', 1],
  ] as const
  it.concurrent.each(rows)('%s', async (_, own, code, exitCode) => {
    await expectCliRefused(['explain', ...own()], { code, exitCode })
  })
})
