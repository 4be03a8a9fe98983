// `predict` for unified kernel images: started by firmware, by shim, by systemd-boot, beside GRUB, and for arm64.

import { expect, it } from 'vitest'
import { machineArm64 } from '../../src/formats/pe/pe.ts'
import { firmwareKey, makeKernel, makeShim, seededBytes, vendorKeys } from '../build/boot-files.ts'
import type { SigningKey } from '../build/certificate.ts'
import { file, type LayerEntry } from '../build/layer.ts'
import { authenticodeOf, bootOfGrub, bootOfUki, digestsOf, eventsIn, folded, valuesOf } from '../build/measured-boot.ts'
import {
  expectCliRefused,
  expectFolds,
  grubTree,
  onlyPrediction,
  shortEvents,
  vendorDirectory,
  wordsFor,
} from '../build/predict-runs.ts'
import { makeSystemdProgram, makeUki } from '../build/uki.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-uki'
const words = wordsFor(seed, temporaryDirectory())
const { machine, files } = words
const rack = words.platform()

const release = '6.1.0-1.x86_64'
const text = (words: string) => new Uint8Array(Buffer.from(words))
const sections = (kind: { readonly machine?: number } = {}) => [
  { name: '.linux', data: loadedAsImage(makeKernel({ seed, release, signer: null, ...kind })) },
  { name: '.osrel', data: text('ID=test\n') },
  { name: '.cmdline', data: text('root=/dev/none') },
  { name: '.initrd', data: seededBytes(`${seed}/initrd`, 3000) },
  { name: '.uname', data: text(release) },
]
/** A kernel after 5.7 says so in MajorImageVersion, and stubs before 258 have the firmware load it. */
function loadedAsImage(kernel: Uint8Array): Uint8Array {
  const view = new DataView(kernel.buffer, kernel.byteOffset)
  view.setUint16(view.getUint32(0x3c, true) + 24 + 44, 1, true)
  return kernel
}
const sbat = text(
  'sbat,1,SBAT Version,sbat,1,https://example.com\nsystemd-stub,1,systemd,systemd,257.13-1~deb13u1,https://example.com\n',
)
const [first, ...others] = [sections().slice(1), sections().slice(0, 1)]
const ukiSignedBy = (signer = firmwareKey(seed)) => makeUki({ seed, only: [...first, ...others.flat()], signer })
const inTree = (entries: readonly LayerEntry[]) => words.tree([file('usr/lib/os-release', 'ID=test\n'), ...entries])
const ukiPath = `usr/lib/modules/${release}/os.efi`
const fromFirmware = (secureBoot: boolean) =>
  bootOfUki({
    machine,
    secureBoot,
    uki: ukiSignedBy(),
    sections: [...sections(), { name: '.sbat', data: sbat }],
  })

it.concurrent.each([true, false])('started by the firmware, Secure Boot %s', async secureBoot => {
  const image = inTree([file(ukiPath, ukiSignedBy())])
  const state = [...rack, '--secure-boot', secureBoot ? 'on' : 'off']
  const without = await onlyPrediction(...image, ...state, '--phase', 'none')
  expect(without.bootChain).toBe('uki')
  expect(shortEvents(without)).toEqual(eventsIn(fromFirmware(secureBoot), [4, 7, 11]))
  expectFolds(without)
  expect(without.pcrs).not.toHaveProperty('14')
  const { pcrs, events } = await onlyPrediction(...image, ...state)
  expect(events.at(-1)).toMatchObject({ pcr: 11, part: 'Pcr11EnterInitrd' })
  const eleven = eventsIn(fromFirmware(secureBoot), [11]).map(({ sha256 }) => sha256)
  const word = digestsOf(text('enter-initrd')).sha256
  expect(pcrs['11']?.sha256).toBe(folded('sha256', [...eleven, word]))
})

const systemdBoot = (signer: SigningKey) =>
  file(
    'usr/lib/bootupd/updates/EFI/systemd/systemd-bootx64.efi',
    makeSystemdProgram({ program: 'systemd-boot', version: '257.13-1~deb13u1', sections: [], signer }),
  )
const shim = file(`${vendorDirectory}/shimx64.efi`, makeShim({ seed }))
const [byMaker, byVendor] = [firmwareKey(seed), vendorKeys(seed).signer]
const linux = file(`usr/lib/modules/${release}/vmlinuz`, makeKernel({ seed, release, signer: byMaker }))
const chains = [
  ['shim-uki', [shim, file(ukiPath, ukiSignedBy(byVendor))], ['Shim', 'Uki']],
  ['systemd-boot-uki', [systemdBoot(byMaker), file(ukiPath, ukiSignedBy())], ['SystemdBoot', 'Uki']],
  [
    'shim-systemd-boot-uki',
    [shim, systemdBoot(byVendor), file(ukiPath, ukiSignedBy(byVendor))],
    ['Shim', 'SystemdBoot', 'Uki'],
  ],
  ['systemd-boot-linux', [systemdBoot(byMaker), linux], ['SystemdBoot', 'Vmlinuz']],
] as const
it.concurrent.each(chains)('%s', async (chain, entries, parts) => {
  const named = ['shim-systemd-boot-uki', 'systemd-boot-linux'].includes(chain) ? ['--boot-chain', chain] : []
  const prediction = await onlyPrediction(...inTree(entries), ...rack, '--phase', 'none', ...named)
  expect(prediction.bootChain).toBe(chain)
  const loaded = prediction.events.filter(({ type }) => type === 'EV_EFI_BOOT_SERVICES_APPLICATION')
  expect(loaded.map(({ part }) => part)).toEqual(parts.map(part => `Pcr4${part}`))
  expect(loaded.map(({ digests }) => digests.sha256)).toEqual(
    entries.map(({ content = new Uint8Array(0) }) => Buffer.from(authenticodeOf(content).sha256).toString('hex')),
  )
  const eleven = chain.endsWith('uki') ? valuesOf(fromFirmware(true), 'sha256')['11'] : undefined
  expect(prediction.pcrs['11']?.sha256).toBe(eleven)
  expectFolds(prediction)
})

it('an image with GRUB and a unified kernel image needs --boot-chain', async () => {
  const image = inTree([...grubTree(files).slice(1), file('boot/EFI/Linux/os.efi', ukiSignedBy())])
  await expectCliRefused(['predict', ...image, ...rack], { code: 'BOOT_CHAIN_UNCLEAR', says: ['boot-chain'] })
  const grub = await onlyPrediction(...image, ...rack, '--boot-chain', 'shim-grub-linux')
  expect(shortEvents(grub)).toEqual(eventsIn(bootOfGrub({ seed, machine, secureBoot: true, ...files }), [4, 7, 14]))
  const uki = await onlyPrediction(...image, ...rack, '--boot-chain', 'uki', '--phase', 'none')
  expect(shortEvents(uki)).toEqual(eventsIn(fromFirmware(true), [4, 7, 11]))
})

it('for arm64', async () => {
  const own = sections({ machine: machineArm64 })
  const stub = { program: 'systemd-stub', version: '257.13-1~deb13u1', machine: machineArm64 } as const
  const uki = makeSystemdProgram({ ...stub, sections: own, signer: firmwareKey(seed) })
  const image = [...inTree([file(ukiPath, uki)]), '--architecture', 'arm64']
  const prediction = await onlyPrediction(...image, ...rack, '--phase', 'none')
  const boot = bootOfUki({ machine, secureBoot: true, uki, sections: [...own, { name: '.sbat', data: sbat }] })
  expect(shortEvents(prediction)).toEqual(eventsIn(boot, [4, 7, 11]))
})
