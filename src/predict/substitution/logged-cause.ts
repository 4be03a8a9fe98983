// Who caused a logged event, told by its type and data: the PCR that it belongs to, also in logs that only name an RTMR.

import type { LoggedEvent } from '../../formats/tcg/event-log.ts'

const mokNames = ['MokList', 'MokListX', 'MokSBState', 'MokListTrusted', 'MokPolicy']
const grubCommand = /^(?:grub_|kernel_cmdline|module_cmdline)/
const application = 'EV_EFI_BOOT_SERVICES_APPLICATION'
const authority = 'EV_EFI_VARIABLE_AUTHORITY'

/** Part of the boot that an event stands for. `firmware` is all that our files do not cause. */
export type Cause =
  | 'firmware'
  | 'boot-file'
  | 'authority'
  | 'mok'
  | 'stub'
  | 'boot-loader-settings'
  | 'grub'
  | 'stub-input'

export const isApplication = (event: { readonly type: string }) => event.type === application
export const isAuthority = (event: { readonly type: string }) => event.type === authority

/** Text of the event's data, empty where they are no text. */
export function textOf({ decoded }: LoggedEvent): string {
  if (decoded?.kind === 'text') return decoded.text
  return decoded?.kind === 'tag' ? (decoded.text ?? '') : ''
}

/**
 * The place in the list where our files begin: the first file from a disk after the last time that the firmware calls a
 * boot option. undefined when no file was loaded.
 */
export function startOfBootFiles(events: readonly LoggedEvent[]): number | undefined {
  const calling = events.findLastIndex(isCall)
  const first = events.findIndex((event, index) => index > calling && isFromDisk(event))
  return first < 0 ? undefined : first
}

/**
 * What boot options before ours left in the log, when they started a file from a disk: no place in the log tells whether that was
 * one of our files too. Empty when no option before ours got that far.
 */
export function earlierBoot(events: readonly LoggedEvent[]): readonly LoggedEvent[] {
  const earlier = events.slice(Math.max(0, events.findIndex(isCall)), Math.max(0, events.findLastIndex(isCall)))
  return earlier.some(isFromDisk) ? earlier : []
}

const isCall = (event: LoggedEvent) => textOf(event) === 'Calling EFI Application from Boot Option'

function isFromDisk(event: LoggedEvent): boolean {
  return isApplication(event) && event.decoded?.kind === 'image' && event.decoded.filePath !== null
}

/** Cause of the event at `index` in a log of PCRs (`tdx` false) or of RTMRs. `start`: see `startOfBootFiles`. */
export function causeOf(events: readonly LoggedEvent[], index: number, start: number, tdx: boolean): Cause {
  const event = events[index]
  if (event === undefined) return 'firmware'
  if (isAuthority(event)) return index > callBefore(events, start) ? 'authority' : 'firmware'
  if (index < start) return 'firmware'
  if (isApplication(event)) return 'boot-file'
  const pcr = tdx ? likelyPcr(event) : event.pcr
  if (pcr === 14) return 'mok'
  if (pcr >= 11 && pcr <= 13) return 'stub'
  if (pcr === 5 && (event.type === 'EV_IPL' || event.type === 'EV_EVENT_TAG')) return 'boot-loader-settings'
  if (pcr !== 8 && pcr !== 9) return 'firmware'
  return event.type === 'EV_EVENT_TAG' ? 'stub-input' : 'grub'
}

/** Place of the last call of a boot option before the first boot file. What is trusted before it are drivers. */
function callBefore(events: readonly LoggedEvent[], start: number): number {
  return events.findLastIndex((event, index) => index < start && isCall(event))
}

/** The PCR for an event whose record names an RTMR. Only told for events that boot loaders cause; -1 for the others. */
function likelyPcr(event: LoggedEvent): number {
  const text = textOf(event)
  if (event.type === 'EV_EVENT_TAG') return event.pcr === 2 ? 5 : event.pcr === 3 ? 9 : -1
  if (event.type !== 'EV_IPL') return -1
  if (event.pcr === 2) return 5
  if (mokNames.includes(text)) return 14
  if (/^\.[a-z]+$/.test(text)) return 11
  return grubCommand.test(text) ? 8 : 9
}
