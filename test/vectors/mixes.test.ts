// Mixes of boot loader and kernel against values that others published, saw on machines or that we recorded.

import { describe, expect, it } from 'vitest'
import { banks } from '../../src/formats/bytes/digest.ts'
import { guids } from '../../src/formats/efi/guid.ts'
import { formatVariableEvent } from '../../src/formats/efi/variable-event.ts'
import type { BootFile, BootFileRole } from '../../src/image/boot-file.ts'
import { parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { predictImageMixes } from '../../src/predict/mixes/images.ts'
import { predictMixes } from '../../src/predict/mixes/mixes.ts'
import type { MixPolicy } from '../../src/predict/mixes/pairs.ts'
import type { Mix } from '../../src/predict/mixes/values.ts'
import type { OperatorEvent } from '../../src/predict/operator/events.ts'
import { operatorJobEvents } from '../../src/predict/operator/job.ts'
import { neededValues, operatorPublication, valuesNotPublished } from '../../src/predict/operator/publication.ts'
import { operatorMokVariables, operatorSystems } from '../../src/predict/operator/systems.ts'
import { type Platform, parsePlatform } from '../../src/predict/platform/platform.ts'
import {
  blankPlatform,
  calling,
  type KnownFile,
  knownImage,
  knownLevel,
  pcrAfter,
  predictKnown,
  separator,
  sha256,
  text,
} from '../build/mix-parts.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('mixes of published and recorded boot loaders and kernels')

const policy: MixPolicy = { window: 'all', rollback: true, bootLoaderUpdates: 'automatic' }
const everything = { policy, limit: 512, platforms: [], sbatLevel: knownLevel, predict: predictKnown }

/** `boot loader+kernel` → value, of one PCR. */
function byBoot(mixes: readonly Mix[], pcr: number): Record<string, string | undefined> {
  const values = mixes.filter(mix => mix.pcr === pcr).flatMap(mix => mix.values)
  const boots = values.flatMap(value => value.from.map(from => [`${from.bootLoader}+${from.kernel}`, value.sha256]))
  return Object.fromEntries(boots)
}

describe('PCR 4 seen on real machines with two boot loaders and two kernels (operator, test_utils/src/constants.rs)', () => {
  const shim = '94896c17d49fc8c8df0cc2836611586edab1615ce7cb58cf13fc5798de56b367'
  const parts = {
    A: {
      shim,
      grub: 'bc6844fc7b59b4f0c7da70a307fc578465411d7a2c34b0f4dc2cc154c873b644',
      kernel: '72c613f1b4d60dcf51f82f3458cca246580d23150130ec6751ac6fa62c867364',
    },
    B: {
      shim,
      grub: 'f45c2c974192366a5391e077c3cbf91e735e86eba2037fd86a1f1501818f73f4',
      kernel: 'f31e645e5e9ed131eea5dca0a18893a21e5625b4a56314fa39587ddc33a7fa91',
    },
  }
  const seen = {
    'A+A': 'ff2b357be4a4bc66be796d4e7b2f1f27077dc89b96220aae60b443bcf4672525',
    'A+B': '0c4e52c0bc5d2fedbf83b2fee82664dbe5347a79cfb2cbcb9a37f64211add6e8',
    'B+A': 'cc5a5360e64b25718be370ca2056645a9ba9e9bae33df08308d6b8e05b8ebb87',
    'B+B': '37517a1f76c4d5cf615f4690921c732ad31359aac55f3aaf66d65a8ed38655a9',
  }
  const history = Object.entries(parts).map(([name, files]) =>
    knownImage(
      name,
      (['shim', 'grub', 'kernel'] as const).map(role => ({ role, digest: files[role] })),
    ),
  )

  it('are the mixes of their parts', () => {
    expect(byBoot(predictMixes({ ...everything, history }).mixes, 4)).toEqual(seen)
  })

  it('are what the operator publishes, with the PCR 14 that it expects of both', () => {
    const images = Object.entries(parts).map(([image, files]) => ({
      image,
      events: operatorJobEvents(files, 'fedora-42'),
    }))
    expect(operatorPublication(images)).toEqual({
      values: {
        tpm_pcr4: Object.values(seen).sort(),
        tpm_pcr14: ['17cdefd9548f4383b67a37a901673bf3c8ded6f619d36c8007562de1d93c81cc'],
      },
      warnings: [],
    })
  })
})

interface ExpectedPcr {
  readonly id: number
  readonly value: string
  readonly events: readonly OperatorEvent[]
}

const folder = 'public/compute-pcrs/qemu-ovmf/fedora-42'
const f42 = 'fedora-42.20250929.3.0'
const f44 = 'fedora-44.20260111.91.1'
const rhel = 'rhel-9.6.20250523-0'
/** vectors/README.md says which; texts of pcr-model §1.4. */
const [older, newer] = [
  'sbat,1,2023012900\nshim,2\ngrub,3\ngrub.debian,4\n',
  'sbat,1,2024040900\nshim,4\ngrub,4\ngrub.peimage,2\n',
]
const levelOf: Readonly<Record<string, string>> = { [f42]: older, [f44]: newer, [rhel]: older }

describe.skipIf(shared.missing)('mixes of published systems', () => {
  const expectedOf = (system: string) => {
    const { pcrs }: { pcrs: readonly ExpectedPcr[] } = JSON.parse(shared.text(folder, system, 'all-pcrs.json'))
    const eventsOf = (pcr: number) => pcrs.find(({ id }) => id === pcr)?.events ?? []
    return {
      events: pcrs.flatMap(({ events }) => events),
      value: (pcr: number) => pcrs.find(({ id }) => id === pcr)?.value,
      hash: (id: string) => eventsOf(Number(/\d+/.exec(id)?.[0])).find(event => event.id === id)?.hash ?? '',
      pcr7: eventsOf(7),
      mok: eventsOf(14).map(({ hash }) => hash),
    }
  }
  const imageOf = (system: string) => {
    const { hash, mok } = expectedOf(system)
    return knownImage(system, [
      { role: 'shim', digest: hash('Pcr4Shim'), mok, level: levelOf[system], key: system },
      { role: 'grub', digest: hash('Pcr4Grub') },
      { role: 'kernel', digest: hash('Pcr4Vmlinuz') },
    ])
  }
  /** The platform's own events and the authorities of this shim's system, with the level of the machine. */
  const pcr7 = (files: readonly KnownFile[], platform: Platform) => {
    const events = expectedOf(files.find(({ role }) => role === 'shim')?.key ?? '').pcr7
    return events.map(({ id, hash }) => (id === 'Pcr7SbatLevel' ? levelEvent(knownLevel(files, platform) ?? '') : hash))
  }
  const levelEvent = (level: string) =>
    sha256(formatVariableEvent({ vendorGuid: guids.shimLock, name: 'SbatLevel', data: text(level) }))
  const predict = (systems: readonly string[]) =>
    predictMixes({
      ...everything,
      history: systems.map(imageOf),
      platforms: [blankPlatform('qemu-ovmf')],
      predict: (files, platform) => predictKnown(files, platform, pcr7),
    }).mixes

  it.each([
    [f42, f44],
    [f42, rhel],
    [rhel, f44],
  ])('%s and %s: PCR 4 is the product of boot loaders and kernels', (first, second) => {
    const mixes = predict([first, second])
    const values = byBoot(mixes, 4)
    for (const boot of [first, second])
      for (const kernel of [first, second]) {
        const { hash } = expectedOf(boot)
        const digests = [calling, separator, hash('Pcr4Shim'), hash('Pcr4Grub'), expectedOf(kernel).hash('Pcr4Vmlinuz')]
        expect(values[`${boot}+${kernel}`]).toBe(pcrAfter(4, digests))
        if (boot === kernel) expect(values[`${boot}+${kernel}`]).toBe(expectedOf(boot).value(4))
      }
    const images = [first, second].map(image => ({ image, events: expectedOf(image).events }))
    const published = operatorPublication(images)
    expect(published.values.tpm_pcr4).toEqual(Object.values(values).sort())
    expect(valuesNotPublished(published, neededValues(mixes))).toEqual([])
  })

  it('PCR 14 belongs to the boot loader: two vendors, whatever the kernel is', () => {
    const values = byBoot(predict([f42, rhel, f44]), 14)
    expect(Object.keys(values)).toHaveLength(9)
    for (const [boot, value] of Object.entries(values))
      expect(value).toBe(expectedOf(boot.split('+')[0] ?? '').value(14))
    expect(new Set(Object.values(values)).size).toBe(2)
  })

  it('PCR 7 belongs to the boot loader and to the newest shim that the machine booted', () => {
    const mixes = predict([f42, rhel, f44])
    const values = mixes.filter(({ pcr }) => pcr === 7).flatMap(mix => mix.values)
    const raised = (system: string) => {
      const { pcr7: events } = expectedOf(system)
      return pcrAfter(
        7,
        events.map(({ id, hash }) => (id === 'Pcr7SbatLevel' ? expectedOf(f44).hash('Pcr7SbatLevel') : hash)),
      )
    }
    // Fedora 42 and 44 differ in the level only, so a Fedora 42 that once was a Fedora 44 has the value of Fedora 44.
    const own = [f42, rhel, f44].map(system => expectedOf(system).value(7))
    expect(raised(f42)).toBe(expectedOf(f44).value(7))
    expect(values.map(({ sha256: value }) => value)).toEqual([...own, raised(rhel)].sort())
    const level = values.find(({ sha256: value }) => value === raised(rhel))?.from
    expect(new Set(level?.map(({ bootLoader }) => bootLoader))).toEqual(new Set([rhel]))
    expect(level?.[0]).toMatchObject({ sbatLevel: newer, because: expect.stringContaining(`the shim of ${f44}`) })
  })

  it('three systems: the operator publishes all of PCR 4 and 14 that nodes need', () => {
    const systems = [f42, rhel, f44]
    const published = operatorPublication(systems.map(image => ({ image, events: expectedOf(image).events })))
    expect(published.values.tpm_pcr4).toHaveLength(9)
    expect(valuesNotPublished(published, neededValues(predict(systems)))).toEqual([])
  })
})

describe.skipIf(shared.missing)('systems that the operator knows', () => {
  const folderOf = 'public/reference-values/mok-variables'
  const names = ['MokListRT', 'MokListXRT', 'MokListTrustedRT'] as const

  it('are those whose published MOK variables are complete', () => {
    const complete = shared
      .names(folderOf)
      .filter(system => names.every(name => shared.names(folderOf, system).includes(name)))
    expect(operatorSystems).toEqual(complete)
    expect(shared.names(folderOf).length).toBeGreaterThan(complete.length)
  })

  it.each(operatorSystems)('%s: the digests are those of the published variables', system => {
    const digests = names.map(name => [name, sha256(shared.bytes(folderOf, system, name))])
    expect(operatorMokVariables(system)).toEqual(Object.fromEntries(digests))
  })
})

describe.skipIf(shared.missing)('mixes of real boot files', () => {
  const file = (role: BootFileRole, name: string): BootFile => ({
    role,
    path: name,
    layer: null,
    bytes: shared.bytes('inputs', name),
  })
  const recorded = (boot: string) => parsePcrs(shared.text('boots', boot, 'pcrs.json'), boot)
  const platformOf = (boot: string, more: Partial<Platform> = {}): Platform => {
    const name = shared.path('boots', boot, 'efivars')
    const files = new Map(
      shared.names('boots', boot, 'efivars').map(one => [one, shared.bytes('boots', boot, 'efivars', one)]),
    )
    return { ...parsePlatform([{ name, files }]), ...more }
  }
  const history = (older: readonly BootFile[], newer: readonly BootFile[]) => [
    { digest: 'sha256:older', files: older },
    { digest: 'sha256:newer', files: newer },
  ]
  const conditions = { policy, limit: 8, secureBoot: undefined, banks, phase: 'none' } as const
  const valuesOf = (mixes: readonly Mix[], pcr: number, secureBoot = true) =>
    mixes
      .filter(mix => mix.pcr === pcr && mix.secureBoot === secureBoot)
      .flatMap(mix => mix.values)
      .map(({ from, ...value }) => value)
  const kernels = () => {
    const boot = [file('shim', 'shimx64.efi'), file('grub', 'grubx64.efi')]
    const [first, second] = ['vmlinuz-6.1.0-50-amd64', 'vmlinuz-6.1.0-56-amd64'].map(name => [
      ...boot,
      file('kernel', name),
    ])
    return history(first ?? [], second ?? [])
  }

  it('two kernels behind one boot loader have the recorded values, Secure Boot on and off, in four banks', () => {
    const { mixes, skipped } = predictImageMixes({ ...conditions, limit: 2, platforms: [], history: kernels() })
    expect(skipped).toEqual([])
    expect(valuesOf(mixes, 4)).toHaveLength(2)
    const on = [recorded('grub-sb')['4'], recorded('grub-sb-newkernel')['4']]
    expect(valuesOf(mixes, 4)).toEqual(expect.arrayContaining(on))
    expect(valuesOf(mixes, 4, false)).toEqual([recorded('grub-nosb')['4']])
    expect(valuesOf(mixes, 14)).toEqual([recorded('grub-sb')['14']])
  })

  it('with a profile PCR 7 follows; a profile whose level was raised has the lower one as well', () => {
    const latest = 'sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n'
    const platforms = [platformOf('grub-sb', { sbatLevel: latest })]
    const { mixes, skipped } = predictImageMixes({ ...conditions, platforms, history: kernels() })
    expect(valuesOf(mixes, 4)).toHaveLength(2)
    expect(valuesOf(mixes, 14)).toEqual([recorded('grub-sb')['14']])
    const levels = mixes.filter(({ pcr }) => pcr === 7).flatMap(mix => mix.values.flatMap(({ from }) => from))
    expect(valuesOf(mixes, 7)).toContainEqual(recorded('grub-sb')['7'])
    expect(valuesOf(mixes, 7)).toContainEqual(recorded('grub-sb-newkernel')['7'])
    expect(new Set(levels.map(({ sbatLevel }) => sbatLevel.slice(0, 17)))).toEqual(
      new Set(['sbat,1,2025051000', 'sbat,1,2025021800']),
    )
    expect(skipped).toEqual([])
  })

  it('a machine with an enrolled key has the recorded PCR 14 of that machine', () => {
    const { mok } = platformOf('grub-sb-mok')
    const { mixes } = predictImageMixes({
      ...conditions,
      platforms: [platformOf('grub-sb')],
      mokStates: [{ name: 'one key enrolled', mok }],
      history: kernels(),
    })
    expect(valuesOf(mixes, 14)).toHaveLength(2)
    expect(valuesOf(mixes, 14)).toEqual(
      expect.arrayContaining([recorded('grub-sb')['14'], recorded('grub-sb-mok')['14']]),
    )
    expect(valuesOf(mixes, 4)).toHaveLength(2)
  })

  it('two unified kernel images behind systemd-boot', () => {
    const boot = file('systemd-boot', 'systemd-bootx64-trixie.signed.efi')
    const [a, b] = ['uki-257-A.signed.efi', 'uki-257-B.signed.efi'].map(name => [boot, file('uki', name)])
    const platforms = [platformOf('sdboot257-uki-sb')]
    const { mixes } = predictImageMixes({ ...conditions, platforms, history: history(a ?? [], b ?? []) })
    for (const pcr of [4, 11]) {
      expect(valuesOf(mixes, pcr)).toHaveLength(2)
      expect(valuesOf(mixes, pcr)).toContainEqual(recorded('sdboot257-uki-sb')[pcr])
    }
    expect(valuesOf(mixes, 7)).toEqual([recorded('sdboot257-uki-sb')['7']])
  })

  it('a node that changes from GRUB to a unified kernel image: what makes no boot chain is told', () => {
    const grub = [file('shim', 'shimx64.efi'), file('grub', 'grubx64.efi'), file('kernel', 'vmlinuz-6.1.0-50-amd64')]
    const uki = [file('uki', 'uki-252-A.signed.efi')]
    const { mixes, skipped } = predictImageMixes({
      ...conditions,
      secureBoot: false,
      platforms: [],
      history: history(grub, uki),
    })
    expect(skipped.map(({ bootLoader, kernel, code }) => [bootLoader, kernel, code])).toEqual([
      ['sha256:older', 'sha256:newer', 'BOOT_CHAIN_UNKNOWN'],
      ['sha256:newer', 'sha256:older', 'BOOT_CHAIN_UNKNOWN'],
    ])
    expect(valuesOf(mixes, 4, false)).toHaveLength(2)
    expect(valuesOf(mixes, 4, false)).toContainEqual(recorded('uki-nosb')['4'])
  })
})
