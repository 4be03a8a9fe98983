// What an event log says of the machine that wrote it, beside the variables: for `capture`.

import { banks } from '../../formats/bytes/digest.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import type { MeasuredVariable } from '../../formats/efi/variable-event.ts'
import { parseVariableEvent } from '../../formats/efi/variable-event.ts'
import type { EventLog, LoggedEvent } from '../../formats/tcg/event-log.ts'
import { noAction } from '../../formats/tcg/event-type.ts'

/** Every event that extends a PCR. */
export function measuredEvents(log: EventLog): readonly LoggedEvent[] {
  return log.events.filter(({ typeNumber }) => typeNumber !== noAction)
}

/** The variables that PCR 7 was extended with by events of that type, whose logged data are what was hashed. */
export function variablesOf(
  log: EventLog,
  type: 'EV_EFI_VARIABLE_DRIVER_CONFIG' | 'EV_EFI_VARIABLE_AUTHORITY',
): readonly MeasuredVariable[] {
  return measuredEvents(log)
    .filter(event => event.pcr === 7 && event.type === type && event.decoded?.kind === 'variable')
    .map(({ data }) => parseVariableEvent(data, log.source, 'EVENT_LOG_INVALID'))
}

/** The digests of one of shim's events in PCR 14, by the variable's name; undefined when there is none. */
export function mokDigests(log: EventLog, name: string): LoggedEvent['digests'] | undefined {
  return measuredEvents(log).find(
    ({ pcr, type, decoded }) => pcr === 14 && type === 'EV_IPL' && decoded?.kind === 'text' && decoded.text === name,
  )?.digests
}

/** True when every digest that the event has is that of the other side in the same bank. */
export function sameDigests(event: LoggedEvent['digests'], other: LoggedEvent['digests']): boolean {
  const shared = banks.filter(bank => event[bank] !== undefined && other[bank] !== undefined)
  return shared.length > 0 && shared.every(bank => hexIn(event, bank) === hexIn(other, bank))
}

function hexIn(digests: LoggedEvent['digests'], bank: (typeof banks)[number]): string {
  return formatHex(digests[bank] ?? new Uint8Array(0))
}

/** How often GRUB measured its kernel into PCR 4, or why the log does not tell. */
export type KernelMeasurements = { readonly count: 0 | 1 | 2 } | { readonly unknown: string } | 'no GRUB'

/** Reads it from the boot that ended in the system, so from the last boot option that was called. */
export function kernelMeasurements(log: EventLog): KernelMeasurements {
  const all = measuredEvents(log)
  const lastCall = all.findLastIndex(
    ({ pcr, decoded }) => pcr === 4 && decoded?.kind === 'text' && decoded.text.startsWith('Calling EFI Application'),
  )
  const events = all.slice(lastCall + 1)
  const isCommand = ({ pcr, decoded }: LoggedEvent) =>
    pcr === 8 && decoded?.kind === 'text' && decoded.text.startsWith('grub_cmd: ')
  const firstCommand = events.findIndex(isCommand)
  if (firstCommand < 0) return 'no GRUB'
  const commands = events.filter(
    event => isCommand(event) && event.decoded?.kind === 'text' && /^grub_cmd: linux(?:efi)? /.test(event.decoded.text),
  )
  if (commands.length !== 1) return { unknown: `GRUB ran ${commands.length} linux commands in this boot` }
  const kernels = events
    .slice(firstCommand)
    .filter(({ pcr, type }) => pcr === 4 && type === 'EV_EFI_BOOT_SERVICES_APPLICATION')
  const [first] = kernels
  if (first !== undefined && !kernels.every(({ digests }) => sameDigests(digests, first.digests)))
    return { unknown: 'GRUB started different programs in this boot' }
  if (kernels.length > 2) return { unknown: `GRUB measured its kernel ${kernels.length} times` }
  return { count: kernels.length as 0 | 1 | 2 }
}
