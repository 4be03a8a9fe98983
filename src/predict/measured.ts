// Makes single events: what is hashed, and what it is called.

import { type Digests, digestInBanks, formatDigests } from '../formats/bytes/digest.ts'
import { formatVariableEvent, type MeasuredVariable } from '../formats/efi/variable-event.ts'
import type { LoadedFile } from './loaded-file.ts'
import type { MeasuredEvent } from './prediction.ts'

/** One event, from digests that were computed already. */
export function eventOf(pcr: number, type: string, part: string, digests: Digests, because: string): MeasuredEvent {
  return { pcr, type, digests: formatDigests(digests), part, because }
}

/** One event that hashes these bytes. */
export function eventOver(pcr: number, type: string, part: string, bytes: Uint8Array, because: string): MeasuredEvent {
  return eventOf(pcr, type, part, digestInBanks(bytes), because)
}

/** EV_EFI_ACTION and strings of EV_IPL hash the text without NUL. */
export const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

/** PCR 7: the whole UEFI_VARIABLE_DATA. */
export function variableEvent(
  type: 'EV_EFI_VARIABLE_DRIVER_CONFIG' | 'EV_EFI_VARIABLE_AUTHORITY',
  part: string,
  variable: MeasuredVariable,
  because: string,
): MeasuredEvent {
  return eventOver(7, type, part, formatVariableEvent(variable), because)
}

/** PCR 4: the Authenticode digest of a file that is loaded. */
export function imageEvent(part: string, { digests }: Pick<LoadedFile, 'digests'>, because: string): MeasuredEvent {
  return eventOf(4, 'EV_EFI_BOOT_SERVICES_APPLICATION', part, digests, because)
}

export function separatorEvent(pcr: number, part: string, because: string): MeasuredEvent {
  return eventOver(pcr, 'EV_SEPARATOR', part, Uint8Array.of(0, 0, 0, 0), because)
}
