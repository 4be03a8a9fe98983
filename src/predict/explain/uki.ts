// Reasons for differences in PCR 11: sections of a unified kernel image, and how far systemd has come (docs/pcrs.md, PCR 11).

import { otherChainReason } from './boot-chain.ts'
import { findFile, isKernelRole, pathOf, roleNames } from './candidates.ts'
import { digestOf, type ExpectedEvent, type LogDifference, phaseOf } from './difference.ts'
import { textOfEvent } from './event.ts'
import { type Evidence, type FirstDifference, plainReason, separatorReason } from './evidence.ts'
import { type Reason, reason } from './reasons.ts'

/** The reason for a difference in PCR 11. */
export function ukiReason(difference: FirstDifference, evidence: Evidence): Reason {
  return (
    separatorReason(difference) ??
    loggedPhaseReason(difference, evidence) ??
    otherImageReason(difference, evidence) ??
    (difference.seen === null && difference.before.length === 0 ? otherChainReason(evidence) : undefined) ??
    sectionReason(difference, evidence) ??
    plainReason(difference, evidence)
  )
}

/** The reason when a value of the TPM is that of this image with other phases; undefined when it is not. */
export function livePhaseReason({ pcr, bank, live }: LogDifference, { baseline }: Evidence): Reason | undefined {
  const expected = baseline.prediction.events.flatMap(event => phaseOf(event.digests[bank], bank, pcr) ?? [])
  if (live === 'as-log' && expected.length > 0) return phaseReason([], expected)
  return typeof live === 'object' ? phaseReason(live.phases, expected) : undefined
}

function loggedPhaseReason(
  { pcr, bank, expected, seen, before }: FirstDifference,
  evidence: Evidence,
): Reason | undefined {
  const phase = seen === null ? undefined : phaseOf(digestOf(seen, bank), bank, pcr)
  const wanted = expected === null ? undefined : phaseOf(expected.digests[bank], bank, pcr)
  if (phase === undefined && (seen !== null || wanted === undefined)) return undefined
  if (expected !== null && wanted === undefined) return undefined
  const all = evidence.baseline.prediction.events.flatMap(event => phaseOf(event.digests[bank], bank, pcr) ?? [])
  const passed = before.flatMap(event => phaseOf(digestOf(event, bank), bank, pcr) ?? [])
  return phaseReason([...passed, ...(phase === undefined ? [] : [phase])], all)
}

function phaseReason(seen: readonly string[], expected: readonly string[]): Reason {
  const words = (phases: readonly string[]) => (phases.length === 0 ? 'before any phase' : `after ${phases.at(-1)}`)
  return reason('PHASE', {
    seen: words(seen),
    expected: expected.length === 0 ? 'phase none' : `phase ${expected.at(-1)}`,
  })
}

/** The image of another candidate was started: PCR 4 knows it, so its sections are no news. */
function otherImageReason({ bank }: FirstDifference, { log, candidates, baseline }: Evidence): Reason | undefined {
  for (const event of log.events) {
    const known = event.pcr === 4 ? findFile(digestOf(event, bank), bank, candidates, baseline) : undefined
    if (known === undefined || !isKernelRole(known.role)) continue
    const path = pathOf(known.candidate, known.role)
    const file = path === undefined ? '' : ` (${path})`
    return reason('KERNEL_OF_OTHER_IMAGE', { role: roleNames[known.role], image: known.candidate.label, file })
  }
  return undefined
}

function sectionReason(difference: FirstDifference, { log }: Evidence): Reason | undefined {
  const { expected, seen } = difference
  const text = seen === null ? null : textOfEvent(seen)
  const here = text?.startsWith('.') ? text : undefined
  const wanted = expected === null ? undefined : sectionOf(expected)
  if (seen === null && log.problems.length > 0) return undefined
  if (here === undefined) {
    if (wanted === undefined || seen !== null) return undefined
    return reason('UKI_SECTION_DIFFERS', { section: wanted, difference: 'is not measured here' })
  }
  const same = wanted === undefined || here === wanted
  const contents =
    wanted === undefined ? 'is measured here, and the prediction does not have it' : 'has other contents here'
  return reason('UKI_SECTION_DIFFERS', {
    section: here,
    difference: same ? contents : `is measured where the prediction has ${wanted}`,
  })
}

/** `.osrel` for Pcr11Osrel and Pcr11OsrelContent. */
function sectionOf({ part }: ExpectedEvent): string | undefined {
  const name = /^Pcr11([A-Z][A-Za-z0-9]*?)(?:Content)?$/.exec(part)?.[1]
  return name === undefined ? undefined : `.${name.toLowerCase()}`
}
