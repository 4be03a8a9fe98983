// What a machine measures when it boots synthetic files, computed from their bytes with node:crypto and nothing of src/predict: TCG PFP 1.06, shim
// 16.1, GRUB 2.06 of Red Hat, systemd-stub 257. The log of such a boot is what predictions are compared with.

import { createHash } from 'node:crypto'
import type { Bank } from '../../src/formats/bytes/digest.ts'
import { vendorKeys } from './boot-files.ts'
import { type EventToLog, makeEventLog } from './event-log.ts'
import { imageToLog } from './explained.ts'
import { dummyMokListX, type Machine, shimLock, signatureList } from './machine.ts'

export const allBanks = ['sha1', 'sha256', 'sha384', 'sha512'] as const

type AllDigests = Readonly<Record<Bank, Uint8Array>>
/** An event with all its digests. */
export type BootEvent = EventToLog & { readonly digests: AllDigests }

const types = {
  EV_SEPARATOR: 0x4,
  EV_S_CRTM_VERSION: 0x8,
  EV_IPL: 0xd,
  EV_EFI_VARIABLE_DRIVER_CONFIG: 0x80000001,
  EV_EFI_BOOT_SERVICES_APPLICATION: 0x80000003,
  EV_EFI_GPT_EVENT: 0x80000006,
  EV_EFI_ACTION: 0x80000007,
  EV_EFI_VARIABLE_AUTHORITY: 0x800000e0,
} as const
type TypeName = keyof typeof types

export const typeName = (type: number): string =>
  Object.entries(types).find(([, value]) => value === type)?.[0] ?? `${type}`

const latin = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

export function digestsOf(...parts: readonly Uint8Array[]): AllDigests {
  const digest = (bank: Bank) => new Uint8Array(createHash(bank).update(Buffer.concat(parts)).digest())
  return { sha1: digest('sha1'), sha256: digest('sha256'), sha384: digest('sha384'), sha512: digest('sha512') }
}

/** Authenticode of a file whose sections follow each other without gaps: all but checksum, security directory and certificates. */
export function authenticodeOf(file: Uint8Array): AllDigests {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const optional = view.getUint32(0x3c, true) + 24
  const security = optional + 112 + 4 * 8
  const [table, size] = [view.getUint32(security, true), view.getUint32(security + 4, true)]
  const end = size === 0 ? file.length : table
  const parts = [
    file.subarray(0, optional + 64),
    file.subarray(optional + 68, security),
    file.subarray(security + 8, end),
  ]
  return digestsOf(...parts, file.subarray(end + size))
}

/** The value of a PCR after these digests, lower-case hex. */
export function folded(bank: Bank, digests: readonly (Uint8Array | string)[]): string {
  const start = Buffer.alloc(createHash(bank).digest().length)
  const extend = (value: Buffer, digest: Uint8Array | string) =>
    createHash(bank)
      .update(value)
      .update(typeof digest === 'string' ? Buffer.from(digest, 'hex') : digest)
      .digest()
  return digests.reduce<Buffer>(extend, start).toString('hex')
}

function event(pcr: number, type: TypeName, data: Uint8Array, hashed = data): BootEvent {
  return { pcr, type: types[type], data, digests: digestsOf(hashed) }
}

function variable(type: TypeName, guid: Uint8Array, name: string, content: Uint8Array): BootEvent {
  const lengths = Buffer.alloc(16)
  lengths.writeBigUInt64LE(BigInt(name.length), 0)
  lengths.writeBigUInt64LE(BigInt(content.length), 8)
  return event(7, type, new Uint8Array(Buffer.concat([guid, lengths, Buffer.from(name, 'utf16le'), content])))
}

function loaded(file: Uint8Array, path: string | null): BootEvent {
  return { ...imageToLog(path, '', file.length), digests: authenticodeOf(file) }
}

const separator = (pcr: number) => event(pcr, 'EV_SEPARATOR', new Uint8Array(4))
const ipl = (pcr: number, text: string, hashed: Uint8Array) => event(pcr, 'EV_IPL', latin(`${text}\0`), hashed)

/** Everything before the first boot file: policy, separators, the call of the boot option. */
function firmwareStart({ keys }: Machine, secureBoot: boolean): BootEvent[] {
  const config = 'EV_EFI_VARIABLE_DRIVER_CONFIG'
  return [
    event(0, 'EV_S_CRTM_VERSION', latin('synthetic firmware')),
    variable(config, globalVariable, 'SecureBoot', Uint8Array.of(secureBoot ? 1 : 0)),
    variable(config, globalVariable, 'PK', keys.PK),
    variable(config, globalVariable, 'KEK', keys.KEK),
    variable(config, imageSecurity, 'db', keys.db),
    variable(config, imageSecurity, 'dbx', keys.dbx),
    separator(7),
    event(4, 'EV_EFI_ACTION', latin('Calling EFI Application from Boot Option')),
    ...[0, 1, 2, 3, 4, 5, 6].map(separator),
    event(5, 'EV_EFI_GPT_EVENT', latin('partitions of this disk')),
  ]
}

const globalVariable = Uint8Array.of(
  0x61,
  0xdf,
  0xe4,
  0x8b,
  0xca,
  0x93,
  0xd2,
  0x11,
  0xaa,
  0x0d,
  0,
  0xe0,
  0x98,
  3,
  0x2b,
  0x8c,
)
const imageSecurity = new Uint8Array(Buffer.from('cbb219d73a3d9645a3bcdad00e67656f', 'hex'))

export interface GrubBoot {
  readonly seed: string
  readonly machine: Machine
  readonly secureBoot: boolean
  readonly shim: Uint8Array
  readonly grub: Uint8Array
  readonly kernel: Uint8Array
  readonly initramfs: Uint8Array
  readonly release: string
  /** How often GRUB measures its kernel under Secure Boot; once when left out. */
  readonly kernels?: number
  /** MokSBState is 1: the firmware verifies shim, and shim nothing. */
  readonly insecure?: true
}

/** A boot of shim, GRUB and Linux, signed by the seed's keys. */
export function bootOfGrub(boot: GrubBoot): BootEvent[] {
  const { seed, machine, secureBoot, shim, grub, kernel, initramfs, release, insecure = false } = boot
  const kernels = secureBoot && !insecure ? (boot.kernels ?? 1) : 0
  const authority = (guid: Uint8Array, name: string, content: Uint8Array) =>
    secureBoot ? [variable('EV_EFI_VARIABLE_AUTHORITY', guid, name, content)] : []
  const vendor = Buffer.concat([shimLock, vendorKeys(seed).ca.certificate])
  const mokList = Buffer.concat([signatureList(shimLock, vendorKeys(seed).ca.certificate), ...machine.enrolled])
  const level = secureBoot ? machine.sbatLevel : 'sbat,1,2021030218\n'
  const path = (name: string) => `/boot/ostree/${name}-${release}`
  const mokState = [
    variable('EV_EFI_VARIABLE_AUTHORITY', shimLock, 'MokSBState', Uint8Array.of(1)),
    ipl(14, 'MokSBState', Uint8Array.of(1)),
  ]
  const command = (line: string) => ipl(8, `grub_cmd: ${line}`, latin(line))
  return [
    ...firmwareStart(machine, secureBoot),
    ...authority(imageSecurity, 'db', machine.keys.db.subarray(28)),
    loaded(shim, '\\EFI\\redhat\\shimx64.efi'),
    ipl(14, 'MokList', mokList),
    ipl(14, 'MokListX', dummyMokListX),
    ...(insecure ? mokState : []),
    variable('EV_EFI_VARIABLE_AUTHORITY', shimLock, 'SbatLevel', latin(level)),
    ipl(14, 'MokListTrusted', Uint8Array.of(1)),
    ...(insecure ? [] : authority(shimLock, 'MokListRT', vendor)),
    loaded(grub, '\\EFI\\redhat\\grubx64.efi'),
    command(`linux ${path('vmlinuz')} root=/dev/vda4`),
    ipl(9, path('vmlinuz'), kernel),
    ...Array.from({ length: kernels }, () => loaded(kernel, null)),
    command(`initrd ${path('initramfs')}.img`),
    ipl(9, `${path('initramfs')}.img`, initramfs),
  ]
}

/** A unified kernel image that the firmware starts by the first entry of db, without the phase that the initrd adds. */
export function bootOfUki(boot: {
  readonly machine: Machine
  readonly secureBoot: boolean
  readonly uki: Uint8Array
  /** In the order in which systemd 257 measures. */
  readonly sections: readonly { readonly name: string; readonly data: Uint8Array }[]
}): BootEvent[] {
  const { machine, secureBoot, uki, sections } = boot
  const key = machine.keys.db.subarray(28)
  return [
    ...firmwareStart(machine, secureBoot),
    ...(secureBoot ? [variable('EV_EFI_VARIABLE_AUTHORITY', imageSecurity, 'db', key)] : []),
    loaded(uki, '\\EFI\\Linux\\os.efi'),
    ...sections.flatMap(({ name, data }) => [ipl(11, name, latin(`${name}\0`)), ipl(11, name, data)]),
    // without Secure Boot the firmware itself loads the kernel inside
    ...sections.flatMap(({ name, data }) => (name === '.linux' && !secureBoot ? [loaded(data, null)] : [])),
  ]
}

/** The log as firmware hands it over. */
export function logOf(events: readonly BootEvent[], banks: readonly Bank[] = allBanks): Uint8Array {
  return makeEventLog(banks, events)
}

/** Values of PCRs after the boot: index → lower-case hex. */
export function valuesOf(events: readonly BootEvent[], bank: Bank): Record<string, string> {
  const pcrs = [...new Set(events.map(({ pcr }) => pcr))]
  const own = (pcr: number) => events.filter(one => one.pcr === pcr).map(({ digests }) => digests[bank])
  return Object.fromEntries(pcrs.map(pcr => [`${pcr}`, folded(bank, own(pcr))]))
}

/** Events of these PCRs as a prediction has them: PCR, type and SHA-256. */
export function eventsIn(events: readonly BootEvent[], pcrs: readonly number[]) {
  return events
    .filter(({ pcr }) => pcrs.includes(pcr))
    .map(({ pcr, type, digests }) => ({
      pcr,
      type: typeName(type),
      sha256: Buffer.from(digests.sha256).toString('hex'),
    }))
}
