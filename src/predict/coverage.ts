// Which part of the boot a verifier sees at all, under the policy of the target (D12), and what the operator will publish.

import { ToolError } from '../errors.ts'
import type { Uki } from '../formats/pe/uki.ts'
import type { BootFile } from '../image/boot-file.ts'
import type { CoveragePart } from '../settings/settings.ts'
import type { Boot } from './boot.ts'
import { operatorSystem, operatorSystems } from './operator/systems.ts'
import type { BootPart, MeasuredEvent, PartCoverage, Prediction } from './prediction.ts'

/** PCRs that the trusted-execution-clusters policy compares; our reference values for trustee are the same. */
export const checkedPcrs: readonly number[] = [4, 14]

/** Coverage that follows from the chain and the events. */
export function coverageOf(
  { shim, grub, systemdBoot, uki }: Boot,
  events: readonly MeasuredEvent[],
  secureBoot: boolean,
): Prediction['coverage'] {
  const inPcr4 = (part: string, because: string): PartCoverage =>
    events.some(event => event.part === part && event.pcr === 4) ? { pcr: 4 } : { pcr: null, because }
  const root = { pcr: null, because: 'not measured at boot' }
  const ofShim = inPcr4('Pcr4Shim', shim === undefined ? 'this boot chain has no shim' : 'shim is not measured')
  if (uki !== undefined) {
    const whole = inPcr4('Pcr4Uki', 'the unified kernel image is not measured')
    const within = (section: string, because: string) => (has(uki.uki, section) ? whole : { pcr: null, because })
    return {
      shim: ofShim,
      'boot-loader': systemdBoot === undefined ? whole : inPcr4('Pcr4SystemdBoot', 'systemd-boot is not measured'),
      kernel: whole,
      initramfs: within('.initrd', 'not in the unified kernel image; PCR 9 only, which the policy does not check'),
      'command-line': secureBoot
        ? within('.cmdline', 'not in the unified kernel image; PCR 12 only, which the policy does not check')
        : { pcr: null, because: 'with Secure Boot off the boot loader may give another one, into PCR 12 only' },
      'root-file-system': root,
    }
  }
  const loader = grub === undefined ? 'systemd-boot' : 'GRUB'
  const without = secureBoot ? `this ${loader} measures` : `with Secure Boot off this ${loader} measures`
  const [files, line] = grub === undefined ? [9, 12] : [9, 8]
  return {
    shim: ofShim,
    'boot-loader': inPcr4(grub === undefined ? 'Pcr4SystemdBoot' : 'Pcr4Grub', `${loader} is not measured`),
    kernel: inPcr4('Pcr4Vmlinuz', `${without} no kernel into PCR 4`),
    initramfs: { pcr: null, because: `measured into PCR ${files} only, which the policy does not check` },
    'command-line': { pcr: null, because: `measured into PCR ${line} only, which the policy does not check` },
    'root-file-system': root,
  }
}

function has(uki: Uki, section: string): boolean {
  return uki.sections().some(({ name }) => name === section)
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

/** The only place where the operator's own job looks for shim and GRUB (operator, compute-pcrs/src/main.rs). */
const operatorBootLoaders = 'usr/lib/bootupd/updates/'

/** What the operator's own job computes into PCR 4 for shim, GRUB and Linux: always Secure Boot on, the kernel once. */
const operatorParts = ['Pcr4EfiCall', 'Pcr4Separator', 'Pcr4Shim', 'Pcr4Grub', 'Pcr4Vmlinuz']

/** True when the operator will publish the PCR 4 value of this prediction. */
export function operatorWouldApprove(prediction: Prediction): boolean {
  const parts = prediction.events.filter(event => event.pcr === 4).map(event => event.part)
  return parts.length === operatorParts.length && parts.every((part, index) => part === operatorParts[index])
}

/**
 * Whether the operator's own job can compute an image without a label at all (design D13). Throws OPERATOR_WOULD_NOT_APPROVE.
 * What it computes into PCR 14 comes from its MOK variables for that system, not from this shim.
 */
export function checkOperatorCanCompute(
  files: readonly BootFile[],
  os: { readonly id: string | null; readonly versionId: string | null },
): void {
  const refuse = (found: string, wanted: string) =>
    new ToolError('OPERATOR_WOULD_NOT_APPROVE', 'the operator cannot compute the values of this image', {
      found,
      wanted,
      hint: 'pcr-label: auto writes a label that tells the operator the values into images that are proposed here; or use target trustee',
    })
  const outside = files.find(({ role, path }) => isBootLoader(role) && !path.startsWith(operatorBootLoaders))
  if (outside !== undefined) throw refuse(outside.path, `shim and GRUB below ${operatorBootLoaders}`)
  const system = operatorSystem(os)
  if (!operatorSystems.includes(system)) throw refuse(`system ${system}`, `one of ${operatorSystems.join(', ')}`)
}

function isBootLoader(role: BootFile['role']): boolean {
  return role === 'shim' || role === 'grub'
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
