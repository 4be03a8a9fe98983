// The table of boots. Every row is one machine; `roles` are what the command line tool is given.

import type { BootParts } from './boot-packages.ts'
import { withOtherByteAtEndOfText, withOtherByteInText } from './changed-byte.ts'
import { everySection, grubTree, guestUki, paths, systemdBootTree } from './esp-trees.ts'
import {
  deniedHash,
  enrolledOwnerKey,
  raisedSbatLevel,
  type Scenario,
  secureBootSwitchedOff,
  validationDisabled,
} from './scenario.ts'
import { databaseKey, ownerSigner, withoutSignatures, withSignature } from './signing.ts'

const grubRoles = [
  ['shim', paths.firstLoader],
  ['grub', paths.secondLoader],
  ['kernel', paths.kernel],
] as const
const grubAloneRoles = [
  ['grub', paths.firstLoader],
  ['kernel', paths.kernel],
] as const
const ukiRoles = [['uki', paths.firstLoader]] as const
const shimUkiRoles = [
  ['shim', paths.firstLoader],
  ['uki', paths.secondLoader],
] as const
const systemdBootUkiRoles = [
  ['systemd-boot', paths.firstLoader],
  ['uki', paths.uki],
] as const
const systemdBootLinuxRoles = [
  ['systemd-boot', paths.firstLoader],
  ['kernel', paths.kernel],
] as const
const shimSystemdBootRoles = [
  ['shim', paths.firstLoader],
  ['systemd-boot', paths.secondLoader],
  ['uki', paths.uki],
] as const

/** Debian's signed chain: each mix of older and newer boot loader and kernel, and the states of Secure Boot. */
export function grubScenarios({ older, newer, kernelA, kernelB }: BootParts): Scenario[] {
  const ownKernel = { ...kernelA, vmlinuz: withSignature(withoutSignatures(kernelA.vmlinuz), ownerSigner()) }
  const on = { store: 'microsoft', roles: grubRoles, secureBoot: true } as const
  const off = { roles: grubRoles, secureBoot: false } as const
  return [
    {
      ...on,
      name: 'grub206-A',
      what: 'shim, GRUB 2.06, kernel A',
      esp: grubTree(older, kernelA),
      release: kernelA.release,
    },
    {
      ...on,
      name: 'grub206-B',
      what: 'shim, GRUB 2.06, kernel B',
      esp: grubTree(older, kernelB),
      release: kernelB.release,
    },
    {
      ...on,
      name: 'grub212-A',
      what: 'shim of Debian 13, GRUB 2.12, kernel A',
      esp: grubTree(newer, kernelA),
      release: kernelA.release,
    },
    {
      ...on,
      name: 'grub212-B',
      what: 'shim of Debian 13, GRUB 2.12, kernel B',
      esp: grubTree(newer, kernelB),
      release: kernelB.release,
    },
    {
      ...off,
      name: 'grub206-A-off',
      what: 'no keys enrolled',
      store: 'blank',
      esp: grubTree(older, kernelA, 'early'),
      release: kernelA.release,
      logFromMemory: true,
    },
    {
      ...off,
      name: 'grub212-B-off',
      what: 'keys enrolled, Secure Boot switched off',
      store: 'microsoft',
      variables: [secureBootSwitchedOff],
      esp: grubTree(newer, kernelB),
      release: kernelB.release,
    },
    {
      ...on,
      name: 'grub206-mok',
      what: 'kernel signed by an enrolled MOK only',
      variables: [enrolledOwnerKey()],
      esp: grubTree(older, ownKernel),
      release: kernelA.release,
    },
    {
      ...on,
      name: 'grub212-lists',
      what: 'MOK enrolled, a hash in MokListX, SbatLevel of a newer shim',
      variables: [enrolledOwnerKey(), deniedHash(), raisedSbatLevel()],
      esp: grubTree(newer, kernelB),
      release: kernelB.release,
    },
    {
      ...off,
      name: 'grub206-alone-off',
      what: 'GRUB without shim',
      store: 'blank',
      esp: grubTree({ shim: older.grub, grub: new Uint8Array() }, kernelA, 'early'),
      roles: grubAloneRoles,
      release: kernelA.release,
      logFromMemory: true,
    },
    {
      ...on,
      name: 'grub212-novalidate',
      what: 'MokSBState=1, unsigned kernel',
      variables: [validationDisabled()],
      esp: grubTree(newer, { ...kernelA, vmlinuz: withoutSignatures(kernelA.vmlinuz) }),
      release: kernelA.release,
    },
  ]
}

/** UKIs and systemd-boot, signed by the own key in db or by the machine owner key. */
export function systemdScenarios(parts: BootParts): Scenario[] {
  const { older, newer, kernelA, kernelB, stub252, stub257, systemdBoot, signedSystemdBoot } = parts
  const [database, owner] = [databaseKey(), ownerSigner()]
  const [uki252, uki257] = [guestUki(stub252, kernelA), guestUki(stub257, kernelB)]
  const [signed252, signed257] = [withSignature(uki252, database), withSignature(uki257, database)]
  const owned257 = withSignature(uki257, owner)
  const firstLoader = new Map([[paths.firstLoader, withSignature(systemdBoot, database)]])
  const linux = new Map([
    [paths.kernel, withSignature(kernelA.vmlinuz, database)],
    ['initrd.img', kernelA.initramfs],
  ])
  const own = { store: 'own', secureBoot: true } as const
  const blank = { store: 'blank', secureBoot: false } as const
  const enrolled = { store: 'microsoft', secureBoot: true, variables: [enrolledOwnerKey()] } as const
  const uki = (file: Uint8Array) => ({ esp: new Map([[paths.firstLoader, file]]), roles: ukiRoles })
  const [releaseA, releaseB] = [{ release: kernelA.release }, { release: kernelB.release }]
  return [
    { ...own, ...uki(signed252), ...releaseA, name: 'uki252', what: 'UKI, stub 252' },
    { ...blank, ...uki(signed252), ...releaseA, name: 'uki252-off', what: 'UKI, stub 252' },
    { ...own, ...uki(signed257), ...releaseB, name: 'uki257', what: 'UKI, stub 257' },
    { ...blank, ...uki(uki257), ...releaseB, name: 'uki257-off', what: 'unsigned UKI, stub 257' },
    {
      ...own,
      ...uki(withSignature(guestUki(stub257, kernelA, everySection()), database)),
      ...releaseA,
      name: 'uki257-sections',
      what: 'UKI with .splash, .ucode and .pcrpkey, stub 257',
    },
    {
      ...enrolled,
      ...releaseB,
      name: 'shim-uki',
      what: 'shim, UKI signed by an enrolled MOK',
      roles: shimUkiRoles,
      esp: new Map([
        [paths.firstLoader, older.shim],
        [paths.secondLoader, owned257],
      ]),
    },
    {
      ...blank,
      ...releaseA,
      name: 'shim-uki-off',
      what: 'shim of Debian 13, UKI, stub 252',
      roles: shimUkiRoles,
      esp: new Map([
        [paths.firstLoader, newer.shim],
        [paths.secondLoader, uki252],
      ]),
    },
    {
      ...enrolled,
      ...releaseB,
      variables: [validationDisabled()],
      name: 'shim-uki-novalidate',
      what: 'MokSBState=1, unsigned UKI, stub 257',
      roles: shimUkiRoles,
      esp: new Map([
        [paths.firstLoader, newer.shim],
        [paths.secondLoader, uki257],
      ]),
    },
    {
      ...own,
      ...releaseB,
      name: 'sdboot-uki',
      what: 'systemd-boot 257, UKI',
      roles: systemdBootUkiRoles,
      esp: systemdBootTree(firstLoader, new Map([[paths.uki, signed257]])),
    },
    {
      ...own,
      ...releaseA,
      name: 'sdboot-linux',
      what: 'systemd-boot 257, kernel with two signatures',
      roles: systemdBootLinuxRoles,
      notPredicted: [12],
      esp: systemdBootTree(firstLoader, linux),
    },
    {
      ...blank,
      ...releaseA,
      name: 'sdboot-linux-off',
      what: 'systemd-boot 257, kernel',
      roles: systemdBootLinuxRoles,
      notPredicted: [12],
      esp: systemdBootTree(firstLoader, linux),
    },
    {
      ...enrolled,
      ...releaseB,
      name: 'shim-sdboot-uki',
      what: 'shim, systemd-boot of Debian, UKI signed by a MOK',
      roles: shimSystemdBootRoles,
      esp: systemdBootTree(
        new Map([
          [paths.firstLoader, newer.shim],
          [paths.secondLoader, signedSystemdBoot],
        ]),
        new Map([[paths.uki, owned257]]),
      ),
    },
    {
      ...blank,
      ...releaseB,
      name: 'shim-sdboot-uki-off',
      what: 'shim, systemd-boot, unsigned UKI',
      roles: shimSystemdBootRoles,
      esp: systemdBootTree(
        new Map([
          [paths.firstLoader, newer.shim],
          [paths.secondLoader, systemdBoot],
        ]),
        new Map([[paths.uki, uki257]]),
      ),
    },
  ]
}

/** What must not boot, and is refused by the command line tool for the same reason. */
export function refusedScenarios({ older, newer, kernelA, stub257 }: BootParts): Scenario[] {
  const database = databaseKey()
  const on = { store: 'microsoft', roles: grubRoles, secureBoot: true } as const
  const kernel = (vmlinuz: Uint8Array) => ({ ...kernelA, vmlinuz })
  const changedUki = withOtherByteInText(withSignature(guestUki(stub257, kernelA), database))
  const byGrub = /bad shim signature/
  const byShim = /Verification failed: \(0x1A\) Security Violation/
  const byFirmware = /failed to load Boot\d{4} .*: Access Denied/
  return [
    {
      ...on,
      name: 'unsigned-kernel',
      what: 'kernel without a signature',
      esp: grubTree(older, kernel(withoutSignatures(kernelA.vmlinuz))),
      refused: { console: byGrub, code: 'KERNEL_UNSIGNED' },
    },
    {
      ...on,
      name: 'changed-kernel',
      what: 'one byte of the kernel changed after signing',
      esp: grubTree(newer, kernel(withOtherByteInText(kernelA.vmlinuz))),
      refused: { console: byGrub, code: 'SIGNATURE_DIGEST_MISMATCH' },
    },
    {
      store: 'own',
      secureBoot: true,
      name: 'changed-uki',
      what: 'one byte of the UKI changed after signing',
      roles: ukiRoles,
      esp: new Map([[paths.firstLoader, changedUki]]),
      refused: { console: byFirmware, code: 'SIGNATURE_DIGEST_MISMATCH' },
    },
    {
      store: 'own',
      secureBoot: true,
      name: 'unsigned-uki',
      what: 'UKI without a signature',
      roles: ukiRoles,
      esp: new Map([[paths.firstLoader, guestUki(stub257, kernelA)]]),
      refused: { console: byFirmware, code: 'KERNEL_UNSIGNED' },
    },
    {
      ...on,
      store: 'own',
      name: 'unknown-shim',
      what: 'no certificate of shim in db',
      esp: grubTree(older, kernelA),
      refused: { console: byFirmware, code: 'NOT_TRUSTED_BY_FIRMWARE' },
    },
    {
      ...on,
      name: 'unknown-grub',
      what: 'GRUB signed by a key that shim does not know',
      esp: grubTree({ ...older, grub: withSignature(withoutSignatures(older.grub), database) }, kernelA),
      refused: { console: byShim, code: 'NOT_TRUSTED_BY_SHIM' },
    },
  ]
}

/** The control: a prediction of other bytes must differ. The byte is behind GRUB's code, so GRUB runs as before. */
export function changedScenario({ older, kernelA }: BootParts): Scenario {
  return {
    name: 'changed-grub',
    what: 'one byte of GRUB changed after predicting',
    store: 'blank',
    secureBoot: false,
    esp: grubTree(older, kernelA, 'early'),
    roles: grubRoles,
    release: kernelA.release,
    changed: { path: paths.secondLoader, bytes: withOtherByteAtEndOfText(older.grub), pcrs: [4] },
    logFromMemory: true,
  }
}

/**
 * Pairs of boots on one platform: the log of the first gives what the files of the second do not. PCR 8 and 9 hold the words of one GRUB
 * build, so the log of another one does not tell them.
 */
export const substitutions = [
  { from: 'grub206-A', to: 'grub206-B', pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 8], notTold: [] },
  { from: 'grub206-B', to: 'grub212-A', pcrs: [0, 1, 2, 3, 4, 5, 6, 7], notTold: [8, 9] },
  { from: 'grub206-B', to: 'grub212-B', pcrs: [0, 1, 2, 3, 4, 5, 6, 7], notTold: [8, 9] },
  { from: 'uki252', to: 'uki257', pcrs: [0, 1, 2, 3, 4, 5, 6, 7], notTold: [] },
] as const
