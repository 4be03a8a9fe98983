// Event logs of confidential virtual machines (ACPI table CCEL, UEFI 2.10 §38.4): the same records, but the index names
// a measurement register: 0 = MRTD, 1 to 4 = RTMR[0] to RTMR[3] (Intel TDX, EDK II TdTcg2Dxe).

import type { EventLog } from './event-log.ts'
import { noAction } from './event-type.ts'

export const rtmrs = [0, 1, 2, 3] as const
export type Rtmr = (typeof rtmrs)[number]

/** RTMR that stands for each PCR; PCR 0 and 16 to 23 have none. */
export function rtmrOfPcr(pcr: number): Rtmr | undefined {
  if (pcr === 1 || pcr === 7) return 0
  if (pcr >= 2 && pcr <= 6) return 1
  return pcr >= 8 && pcr <= 15 ? 2 : undefined
}

/** RTMR that a record of such a log extends; undefined for index 0 and for anything beyond. */
export function rtmrOfIndex(index: number): Rtmr | undefined {
  return rtmrs.find(rtmr => rtmr === index - 1)
}

/**
 * True for the log of a TDX machine: SHA-384 only, no index beyond 4, and a mark of the TDX firmware (the table or the
 * list of memory that the machine was started with). Nothing in the framing tells, so a log without the mark is taken as one of PCRs.
 */
export function isTdxLog(log: EventLog): boolean {
  const measured = log.events.filter(event => event.typeNumber !== noAction)
  if (log.banks.length !== 1 || log.banks[0] !== 'sha384' || measured.some(event => event.pcr > 4)) return false
  return measured.some(
    ({ decoded, data }) =>
      (decoded?.kind === 'tables' && decoded.description === 'TdxTable') ||
      Buffer.from(data.subarray(0, 7)).toString('latin1') === 'td_hob\0',
  )
}
