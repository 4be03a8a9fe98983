// What a scenario is: files on the ESP, the state of the firmware, and what is expected of the boot.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { guidBytes, guids } from '../../../src/formats/efi/guid.ts'
import type { BootFileRole } from '../../../src/image/boot-file.ts'
import type { EspFiles } from './disk.ts'
import { firmwareDirectory } from './machine.ts'
import { ownerKey } from './signing.ts'
import { bootServicesOnly, type StoredVariable, setVariable } from './variable-store.ts'

/** microsoft: keys of Microsoft in db; own: one test key in PK, KEK and db; blank: no keys, so no Secure Boot. */
export type KeyStore = 'microsoft' | 'own' | 'blank'

export interface Scenario {
  readonly name: string
  readonly what: string
  readonly store: KeyStore
  readonly variables?: readonly StoredVariable[]
  readonly esp: EspFiles
  /** The files that are predicted, by their path on the ESP, in the order of loading. */
  readonly roles: readonly (readonly [role: BootFileRole, path: string])[]
  readonly secureBoot: boolean
  /** Release of the kernel that boots; undefined where nothing may boot. */
  readonly release?: string
  /** Who refuses: what the console shows, and the code of the same refusal by the command line tool. */
  readonly refused?: { readonly console: RegExp; readonly code: string }
  /** A change of one file on the disk after its prediction, and the PCRs that differ by it. */
  readonly changed?: { readonly path: string; readonly bytes: Uint8Array; readonly pcrs: readonly number[] }
  /** Touched, and not to be known from the files. */
  readonly notPredicted?: readonly number[]
  /** Linux gets no event log from the boot loader, so it is taken out of the memory. */
  readonly logFromMemory?: boolean
}

const storeFiles: Readonly<Record<KeyStore, string>> = {
  microsoft: 'OVMF_VARS_4M.ms.fd',
  own: 'OVMF_VARS_4M.snakeoil.fd',
  blank: 'OVMF_VARS_4M.fd',
}

export function variableStoreOf({ store, variables = [] }: Scenario): Uint8Array {
  return variables.reduce(setVariable, new Uint8Array(readFileSync(join(firmwareDirectory, storeFiles[store]))))
}

const shimVariable = (name: string, data: Uint8Array): StoredVariable => ({
  name,
  vendorGuid: guids.shimLock,
  attributes: bootServicesOnly,
  data,
})

/** MokList with the test's machine owner key. */
export const enrolledOwnerKey = () => shimVariable('MokList', ownedList('certX509', ownerKey().certificate))

/** MokListX with the hash of nothing that is booted. */
export const deniedHash = () => shimVariable('MokListX', ownedList('certSha256', new Uint8Array(32).fill(0x5a)))

/** A level that a newer shim has left: higher than the automatic one of shim 16.1. */
export const raisedSbatLevel = () =>
  shimVariable('SbatLevel', new Uint8Array(Buffer.from('sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n')))

/** EFI_SIGNATURE_LIST with one entry, UEFI 2.10 §32.4.1. */
function ownedList(type: 'certX509' | 'certSha256', entry: Uint8Array): Uint8Array {
  const sizes = Buffer.alloc(12)
  sizes.writeUInt32LE(28 + 16 + entry.length)
  sizes.writeUInt32LE(16 + entry.length, 8)
  return Buffer.concat([guidBytes(type), sizes, guidBytes('shimLock'), entry])
}

/** As `mokutil --disable-validation` leaves it once MokManager has asked. */
export const validationDisabled = () => shimVariable('MokSBState', Uint8Array.of(1))

/** The switch of OVMF's setup screen: keys stay enrolled, Secure Boot is off. */
export const secureBootSwitchedOff: StoredVariable = {
  name: 'SecureBootEnable',
  vendorGuid: 'f0a30bc7-af08-4556-99c4-001009c93a44',
  attributes: bootServicesOnly,
  data: Uint8Array.of(0),
}
