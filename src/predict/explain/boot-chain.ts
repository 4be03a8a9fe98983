// The boot chain that a log shows by what only one chain measures, beside the chain of a prediction (docs/pcrs.md).

import type { EventLog, LoggedEvent } from '../../formats/tcg/event-log.ts'
import { type Candidate, roleOf } from './candidates.ts'
import { textOfEvent } from './event.ts'
import type { Evidence } from './evidence.ts'
import { type Reason, reason } from './reasons.ts'

interface Chain {
  readonly shim: boolean
  readonly grub: boolean
  readonly systemdBoot: boolean
  readonly uki: boolean
}

/** The reason when the log shows a chain that the prediction is not for; names and contents of files count for nothing here. */
export function otherChainReason({ log, baseline }: Evidence): Reason | undefined {
  const [seen, expected] = [chainOfLog(log), chainOf(baseline)]
  if (expected === undefined) return undefined
  const more = (seen.shim && !expected.shim) || (seen.grub && !expected.grub) || (seen.uki && !expected.uki)
  const withoutShim = log.problems.length === 0 && expected.shim && !seen.shim && (seen.grub || seen.uki)
  return more || withoutShim ? reason('OTHER_BOOT_CHAIN', { seen: words(seen), expected: words(expected) }) : undefined
}

/** shim measures MokList into PCR 14, GRUB its commands into PCR 8, the stub of a UKI the names of sections into PCR 11. */
function chainOfLog(log: EventLog): Chain {
  const has = (pcr: number, text: RegExp) =>
    log.events.some(event => event.pcr === pcr && event.type === 'EV_IPL' && text.test(textOf(event)))
  return { shim: has(14, /^MokList$/), grub: has(8, /^grub_cmd: /), systemdBoot: false, uki: has(11, /^\.linux$/) }
}

/** undefined for a prediction that names no file. */
function chainOf({ prediction }: Candidate): Chain | undefined {
  const roles = new Set(prediction.events.map(roleOf))
  const chain = {
    shim: roles.has('shim'),
    grub: roles.has('grub'),
    systemdBoot: roles.has('systemd-boot'),
    uki: roles.has('uki'),
  }
  return Object.values(chain).includes(true) ? chain : undefined
}

const textOf = (event: LoggedEvent) => textOfEvent(event) ?? ''

function words({ shim, grub, systemdBoot, uki }: Chain): string {
  const parts = [
    ...(shim ? ['shim'] : []),
    ...(grub ? ['GRUB'] : []),
    ...(systemdBoot ? ['systemd-boot'] : []),
    ...(uki ? ['a unified kernel image'] : []),
  ]
  const last = parts.at(-1) ?? ''
  const by = parts.length > 1 ? `${parts.slice(0, -1).join(', ')} and ${last}` : last
  return shim ? `by ${by}` : `by ${by} without shim`
}
