// Reasons for differences in PCR 4: which program the firmware, shim and GRUB loaded (docs/pcrs.md, PCR 4).

import type { Bank } from '../../formats/bytes/digest.ts'
import type { LoggedEvent } from '../../formats/tcg/event-log.ts'
import { otherChainReason } from './boot-chain.ts'
import {
  type FileRole,
  fileOf,
  findFile,
  isKernelRole,
  type KnownFile,
  pathOf,
  roleNames,
  roleOf,
} from './candidates.ts'
import { digestOf } from './difference.ts'
import { checksOffByMok, describeSeen, filePathOf, plainText, secureBootOf, textOfEvent } from './event.ts'
import {
  comesLater,
  type Evidence,
  type FirstDifference,
  happensLater,
  plainReason,
  separatorReason,
} from './evidence.ts'
import { type Reason, reason } from './reasons.ts'

/** The reason for a difference in PCR 4. */
export function bootCodeReason(difference: FirstDifference, evidence: Evidence): Reason {
  return (
    separatorReason(difference) ??
    optionReason(difference) ??
    repeatedKernelReason(difference, evidence) ??
    secureBootReason(difference, evidence) ??
    fileReason(difference, evidence) ??
    plainReason(difference, evidence)
  )
}

/** "Returning from…" and another "Calling…": an option before ours came back. Its program is measured before, if it was started at all. */
function optionReason(difference: FirstDifference): Reason | undefined {
  const { expected, seen, seenLater, bank } = difference
  if (seen === null) return undefined
  const untilExpected = seenLater.findIndex(event => digestOf(event, bank) === expected?.digests[bank])
  const cameBack =
    untilExpected > 0 && seenLater.slice(0, untilExpected).some(event => /^Returning from /.test(actionOf(event)))
  if (!cameBack && !/^(?:Returning from|Calling) /.test(actionOf(seen))) return undefined
  return reason('OTHER_BOOT_OPTION_FIRST', { event: describeSeen(seen) })
}

function actionOf(event: LoggedEvent): string {
  return event.type === 'EV_EFI_ACTION' || event.type === 'EV_ACTION' ? (textOfEvent(event) ?? '') : ''
}

/** The same kernel once more or once less than predicted. */
function repeatedKernelReason(difference: FirstDifference, { baseline }: Evidence): Reason | undefined {
  const { expected, seen, bank, before, seenLater } = difference
  const kernels = baseline.prediction.events.filter(event => roleOf(event) === 'kernel')
  const kernel = kernels[0]?.digests[bank]
  if (kernel === undefined) return undefined
  const isKernel = (event: LoggedEvent) => digestOf(event, bank) === kernel
  const once = before.some(isKernel)
  const differs =
    expected !== null && roleOf(expected) === 'kernel'
      ? seen === null || !isKernel(seen)
      : seen !== null && isKernel(seen)
  if (!once || !differs) return undefined
  const times = [...before, ...(seen === null ? [] : [seen]), ...seenLater].filter(isKernel).length
  return reason('KERNEL_MEASURED_OTHER_TIMES', { seen: timesText(times), expected: timesText(kernels.length) })
}

function timesText(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

/** Secure Boot decides whether kernels, or the kernels inside of unified kernel images, are measured at all. */
function secureBootReason(difference: FirstDifference, { log, baseline }: Evidence): Reason | undefined {
  const { expected, seen } = difference
  if (expected !== null && seen !== null) return undefined
  if (expected !== null && !isKernelRole(roleOf(expected))) return undefined
  const [predicted, here] = [baseline.prediction.secureBoot, secureBootOf(log)]
  if (here !== undefined && here !== predicted) return reason(here ? 'SECURE_BOOT_ON_HERE' : 'SECURE_BOOT_OFF_HERE', {})
  if (!checksOffByMok(log) || expected === null) return undefined
  return reason('MOK_SB_STATE', {
    state: 'is set',
    consequence: 'shim checks no file, so the kernel is not measured into PCR 4',
  })
}

/** Programs that shim or the firmware start beside a boot chain, by their names in shim's sources. */
const otherPrograms = [
  [/(?:^|[\\/])(?:fb[a-z0-9]*|fallback)\.efi$/i, 'the fallback of shim, which creates a boot option in a first boot'],
  [/(?:^|[\\/])(?:mm[a-z0-9]*|MokManager)\.efi$/i, 'the MOK manager'],
  [/(?:^|[\\/])(?:revocations[a-z0-9_]*|shim_certificate[a-z0-9_]*)\.efi$/i, 'an extension of shim'],
] as const

const programCodes = { fallback: 'FIRST_BOOT_FALLBACK', 'mok-manager': 'MOK_MANAGER_RAN' } as const

/** A side program of an image at hand, by its digest; else only what its name is like, since a log tells names that anybody can choose. */
function programReason(seen: LoggedEvent, bank: Bank, { candidates }: Evidence): Reason | undefined {
  for (const { label, programs = [] } of candidates) {
    const known = programs.find(({ digests }) => digests[bank] === digestOf(seen, bank))
    if (known !== undefined) return reason(programCodes[known.role], { file: known.path, image: label })
  }
  const path = filePathOf(seen)
  const named = otherPrograms.find(([name]) => path !== null && name.test(path))
  if (named === undefined) return undefined
  return reason('PROGRAM_OF_NO_KNOWN_IMAGE', { file: plainText(path ?? ''), what: named[1] })
}

/** Another file than the expected one was loaded, or one more. */
function fileReason(difference: FirstDifference, evidence: Evidence): Reason | undefined {
  const { seen, bank, expected } = difference
  if (seen?.decoded?.kind !== 'image' || comesLater(difference)) return undefined
  const known = findFile(digestOf(seen, bank), bank, evidence.candidates, evidence.baseline)
  if (known !== undefined) return knownFileReason(known)
  const program = programReason(seen, bank, evidence)
  if (program !== undefined) return program
  const role = roleOf(expected)
  if (role === undefined || happensLater(difference)) return undefined
  return (
    changedFileReason(seen, role, evidence) ?? otherChainReason(evidence) ?? unknownFileReason(seen, role, evidence)
  )
}

function knownFileReason({ candidate, role, path, older }: KnownFile): Reason {
  const words = { image: candidate.label, role: roleNames[role], file: path === undefined ? '' : ` (${path})` }
  if (isKernelRole(role)) return reason('KERNEL_OF_OTHER_IMAGE', words)
  return reason('BOOT_LOADER_OF_OTHER_IMAGE', {
    ...words,
    verb: older ? 'still boots' : 'boots',
    consequence: older ? 'boot loader not updated yet' : 'the boot loader is newer than the kernel',
  })
}

/** A file of the same length is most likely the same file with changed bytes; the log tells the length of what was loaded. */
function changedFileReason(seen: LoggedEvent, role: FileRole, { baseline }: Evidence): Reason | undefined {
  const file = fileOf(baseline, role)
  const size = seen.decoded?.kind === 'image' ? seen.decoded.size : undefined
  if (file === undefined || file.size !== size) return undefined
  if (role === 'kernel') return reason('KERNEL_CHANGED', { file: file.path })
  return reason('FILE_CHANGED', { role: roleNames[role], file: file.path })
}

const unknownCodes = {
  shim: 'SHIM_OF_NO_KNOWN_IMAGE',
  grub: 'GRUB_OF_NO_KNOWN_IMAGE',
  'systemd-boot': 'SYSTEMD_BOOT_OF_NO_KNOWN_IMAGE',
  kernel: 'KERNEL_OF_NO_KNOWN_IMAGE',
  uki: 'KERNEL_OF_NO_KNOWN_IMAGE',
} as const

function unknownFileReason(seen: LoggedEvent, role: FileRole, { baseline }: Evidence): Reason {
  const path = filePathOf(seen)
  const expected = pathOf(baseline, role)
  const file =
    path === null ? `the log names no file${expected === undefined ? '' : `; predicted: ${expected}`}` : plainText(path)
  return reason(unknownCodes[role], { file })
}
