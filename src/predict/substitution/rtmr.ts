// RTMR values of Intel TDX machines, by substitution in a recorded log of the confidential-computing event log
// (interface §2, `measurement: tdx`): SHA-384, all starting at zero. Without a log no value is claimed.

import { ToolError } from '../../errors.ts'
import { digestLength } from '../../formats/bytes/digest.ts'
import { isTdxLog, type Rtmr, rtmrOfIndex, rtmrOfPcr } from '../../formats/tcg/cc-log.ts'
import type { EventLog } from '../../formats/tcg/event-log.ts'
import { type SubstitutedEvent, substituteEvents, type ToSubstitute } from './substituted-log.ts'
import { valuesOf } from './substitution.ts'

/** RTMR index → SHA-384 value, lower-case hex. */
export type RtmrValues = Readonly<Partial<Record<Rtmr, string>>>

export interface RtmrSubstitution {
  readonly rtmrs: RtmrValues
  /** In log order, of the registers that have a value. */
  readonly events: readonly {
    readonly rtmr: Rtmr
    readonly type: string
    readonly digest: string
    readonly part: string
    readonly because: string
  }[]
  readonly assumed: readonly { readonly index: number; readonly rtmr: Rtmr; readonly type: string }[]
  readonly notPredicted: readonly { readonly rtmr: Rtmr; readonly because: string }[]
}

/** Registers that the boot extends. RTMR[3] belongs to the running system. */
const bootRegisters: readonly Rtmr[] = [0, 1, 2]
const bank = 'sha384'
const start = () => new Uint8Array(digestLength[bank])

/** RTMR 0 to 2 with our files. Throws LOG_UNSUITABLE as `substitute`, and for a log that is not of TDX. */
export function substituteRtmrs(given: ToSubstitute): RtmrSubstitution {
  checkTdx(given.log)
  const { events, blocked, unlike } = substituteEvents(given, true)
  const reasons = new Map<Rtmr, string>()
  for (const [pcr, because] of blocked) {
    const rtmr = rtmrOfPcr(pcr)
    if (rtmr !== undefined) reasons.set(rtmr, because)
  }
  for (const { pcr, part } of unlike) {
    const rtmr = rtmrOfPcr(pcr)
    if (rtmr !== undefined)
      reasons.set(
        rtmr,
        `the log has no event like ${part}: it is not known whether this machine measures it into an RTMR`,
      )
  }
  const rtmrs: Partial<Record<Rtmr, string>> = {}
  for (const rtmr of bootRegisters.filter(register => !reasons.has(register))) {
    const own = events.filter(event => registerOf(event) === rtmr)
    rtmrs[rtmr] = valuesOf(own, [bank], start)[bank] ?? ''
  }
  const told = events.flatMap(event => {
    const rtmr = registerOf(event)
    return rtmr === undefined || rtmrs[rtmr] === undefined ? [] : [{ event, rtmr }]
  })
  return {
    rtmrs,
    events: told.map(({ event: { type, digests, part, because }, rtmr }) => ({
      rtmr,
      type,
      digest: digests[bank] ?? '',
      part,
      because,
    })),
    assumed: told.flatMap(({ event: { logged, assumed, type }, rtmr }) =>
      assumed && logged !== undefined ? [{ index: logged.index, rtmr, type }] : [],
    ),
    notPredicted: [...reasons]
      .map(([rtmr, because]) => ({ rtmr, because }))
      .sort((one, other) => one.rtmr - other.rtmr),
  }
}

function registerOf({ logged, pcr }: SubstitutedEvent): Rtmr | undefined {
  return logged === undefined ? rtmrOfPcr(pcr) : rtmrOfIndex(logged.pcr)
}

function checkTdx(log: EventLog): void {
  if (isTdxLog(log)) return
  throw new ToolError('LOG_UNSUITABLE', 'this log does not tell RTMR values', {
    found: `banks ${log.banks.join(', ')}, ${log.events.length} events without a mark of TDX`,
    wanted: 'the event log of a TDX machine (ACPI table CCEL)',
    where: { source: log.source },
  })
}
