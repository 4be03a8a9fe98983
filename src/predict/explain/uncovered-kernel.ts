// The kernel of a boot whose prediction has none in PCR 4: GRUB's own digest of the file, in PCR 9, tells which one it read.

import { formatHex } from '../../formats/bytes/hex.ts'
import type { EventLog, LoggedEvent } from '../../formats/tcg/event-log.ts'
import { type Candidate, fileOf, isKernelRole, roleNames, roleOf } from './candidates.ts'
import { plainText, textOfEvent } from './event.ts'
import type { Evidence } from './evidence.ts'
import { type Reason, reason } from './reasons.ts'

/** `as-predicted`: GRUB read the predicted kernel; `not-told`: the log does not say what it read; else what it read instead. */
export type UncoveredKernel =
  | 'as-predicted'
  | 'not-told'
  | { readonly seen: LoggedEvent; readonly sha256: string; readonly path: string; readonly reason: Reason }

/** undefined when the prediction has the kernel in PCR 4, so that it is compared like everything else. */
export function uncoveredKernel({ log, baseline, candidates }: Evidence): UncoveredKernel | undefined {
  if (baseline.prediction.events.some(event => isKernelRole(roleOf(event)))) return undefined
  const file = fileOf(baseline, 'kernel')
  const seen = kernelRead(log)
  const digest = seen?.digests.sha256
  if (file?.sha256 === undefined || seen === undefined || digest === undefined) return 'not-told'
  const sha256 = formatHex(digest)
  if (sha256 === file.sha256) return 'as-predicted'
  const words = { seen, sha256: file.sha256, path: file.path }
  return { ...words, reason: kernelReason(sha256, seen, candidates) }
}

function kernelReason(sha256: string, seen: LoggedEvent, candidates: readonly Candidate[]): Reason {
  for (const candidate of candidates.filter(({ mix }) => mix === undefined)) {
    const file = fileOf(candidate, 'kernel')
    if (file?.sha256 !== sha256) continue
    return reason('KERNEL_OF_OTHER_IMAGE', {
      role: roleNames.kernel,
      image: candidate.label,
      file: ` (${file.path})`,
    })
  }
  return reason('KERNEL_OF_NO_KNOWN_IMAGE', { file: plainText(textOfEvent(seen) ?? '') })
}

/** The last time that GRUB read the file which its last `linux` command names. */
function kernelRead(log: EventLog): LoggedEvent | undefined {
  const textOf = ({ decoded }: LoggedEvent) => (decoded?.kind === 'text' ? decoded.text : '')
  const command = log.events.findLast(event => event.pcr === 8 && linux.test(textOf(event)))
  const path = command === undefined ? undefined : linux.exec(textOf(command))?.[1]
  return path === undefined ? undefined : log.events.findLast(event => event.pcr === 9 && textOf(event) === path)
}

const linux = /^grub_cmd: linux(?:efi|16)? (\S+)/
