// Which part of the boot a verifier sees at all, under the policy of the target (D12), and what the operator will publish.

import { ToolError } from '../errors.ts'
import type { CoveragePart } from '../settings/settings.ts'
import type { BootPart, MeasuredEvent, PartCoverage, Prediction } from './prediction.ts'

/** PCRs that the trusted-execution-clusters policy compares; our reference values for trustee are the same. */
export const checkedPcrs: readonly number[] = [4, 14]

/** Coverage that follows from the events. */
export function coverageOf(events: readonly MeasuredEvent[], secureBoot: boolean): Prediction['coverage'] {
  const kernelReason = secureBoot
    ? 'this GRUB measures no kernel into PCR 4'
    : 'with Secure Boot off this GRUB measures no kernel into PCR 4'
  return {
    shim: inPcr4(events, 'Pcr4Shim', 'shim is not measured'),
    'boot-loader': inPcr4(events, 'Pcr4Grub', 'GRUB is not measured'),
    kernel: inPcr4(events, 'Pcr4Vmlinuz', kernelReason),
    initramfs: { pcr: null, because: 'measured into PCR 9 only, which the policy does not check' },
    'command-line': { pcr: null, because: 'measured into PCR 8 only, which the policy does not check' },
    'root-file-system': { pcr: null, because: 'not measured at boot' },
  }
}

function inPcr4(events: readonly MeasuredEvent[], part: string, because: string): PartCoverage {
  return events.some(event => event.part === part && event.pcr === 4) ? { pcr: 4 } : { pcr: null, because }
}

/** Parts that are asked for and that no checked PCR covers, with the reason. */
export function uncoveredParts(
  prediction: Prediction,
  required: readonly CoveragePart[],
): { readonly part: BootPart; readonly because: string }[] {
  return required.flatMap(part => {
    const { pcr, because = 'no checked PCR' } = prediction.coverage[part]
    return pcr !== null && checkedPcrs.includes(pcr) ? [] : [{ part, because }]
  })
}

/** Throws KERNEL_NOT_COVERED when a part that is asked for is not covered. */
export function checkCoverage(prediction: Prediction, required: readonly CoveragePart[]): void {
  const missing = uncoveredParts(prediction, required)
  if (missing.length === 0) return
  throw new ToolError('KERNEL_NOT_COVERED', 'a part that require-coverage names is not attested', {
    found: missing.map(({ part, because }) => `${part}: ${because}`).join('; '),
    wanted: `${missing.map(({ part }) => part).join(', ')} in PCR ${checkedPcrs.join(' or ')}`,
    where: { step: 'predict' },
  })
}

/** What the operator's own job computes into PCR 4 for shim, GRUB and Linux: always Secure Boot on, the kernel once. */
const operatorParts = ['Pcr4EfiCall', 'Pcr4Separator', 'Pcr4Shim', 'Pcr4Grub', 'Pcr4Vmlinuz']

/** True when the operator will publish the PCR 4 value of this prediction. */
export function operatorWouldApprove(prediction: Prediction): boolean {
  const parts = prediction.events.filter(event => event.pcr === 4).map(event => event.part)
  return parts.length === operatorParts.length && parts.every((part, index) => part === operatorParts[index])
}

/** Throws OPERATOR_WOULD_NOT_APPROVE. */
export function checkOperatorApproval(prediction: Prediction): void {
  if (operatorWouldApprove(prediction)) return
  const kernels = prediction.events.filter(event => event.part.startsWith('Pcr4Vmlinuz')).length
  throw new ToolError('OPERATOR_WOULD_NOT_APPROVE', 'the operator would publish another PCR 4 value', {
    found: `a boot that measures the kernel ${kernels} times`,
    wanted: 'the kernel measured once, which is all that the operator computes',
    where: { step: 'predict' },
    hint: 'use target trustee for this boot loader',
  })
}
