// What the operator's own job computes for an approved image without a label
// (operator, compute-pcrs/src/main.rs; compute-pcrs, lib/src/tpmevents/compute.rs).

import { ToolError } from '../../errors.ts'
import { digestIn } from '../../formats/bytes/digest.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import type { MeasuredEvent } from '../prediction.ts'
import type { OperatorEvent, OperatorEventId } from './events.ts'
import { operatorMokVariables, operatorSystems } from './systems.ts'

/** SHA-256 digests of the files that the job reads, lower-case hex. */
export interface OperatorJobFiles {
  readonly shim: string
  readonly grub: string
  /** The digest that the first signature of vmlinuz names; empty for an unsigned kernel. The job does not compute it. */
  readonly kernel: string
}

const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const callingBootOption = formatHex(digestIn('sha256', ascii('Calling EFI Application from Boot Option')))
const separator = formatHex(digestIn('sha256', Uint8Array.of(0, 0, 0, 0)))

/**
 * PCR 4 as with Secure Boot on and one kernel event, whatever the GRUB is, then PCR 14 from the MOK variables of the
 * system (`<ID>-<VERSION_ID>`), whatever the shim is. Throws OPERATOR_WOULD_NOT_APPROVE for a system without variables.
 */
export function operatorJobEvents(files: OperatorJobFiles, system: string): readonly OperatorEvent[] {
  const mok = operatorMokVariables(system)
  if (mok === undefined)
    throw new ToolError('OPERATOR_WOULD_NOT_APPROVE', 'the operator cannot compute the values of this image', {
      found: `system ${system}`,
      wanted: `one of ${operatorSystems.join(', ')}`,
    })
  const event = (pcr: number, name: string, id: OperatorEventId, hash: string) => ({ name, pcr, hash, id })
  return [
    event(4, 'EV_EFI_ACTION', 'Pcr4EfiCall', callingBootOption),
    event(4, 'EV_SEPARATOR', 'Pcr4Separator', separator),
    event(4, 'EV_EFI_BOOT_SERVICES_APPLICATION', 'Pcr4Shim', files.shim),
    event(4, 'EV_EFI_BOOT_SERVICES_APPLICATION', 'Pcr4Grub', files.grub),
    event(4, 'EV_EFI_BOOT_SERVICES_APPLICATION', 'Pcr4Vmlinuz', files.kernel),
    event(14, 'EV_IPL', 'Pcr14MokList', mok.MokListRT),
    event(14, 'EV_IPL', 'Pcr14MokListX', mok.MokListXRT),
    event(14, 'EV_IPL', 'Pcr14MokListTrusted', mok.MokListTrustedRT),
  ]
}

/**
 * The job's files out of our own events of a boot with Secure Boot on. Throws OPERATOR_WOULD_NOT_APPROVE for a boot
 * without shim, GRUB or kernel, for which the job fails.
 */
export function operatorJobFiles(events: readonly MeasuredEvent[]): OperatorJobFiles {
  const digestOf = (part: OperatorEventId) => {
    const event = events.find(candidate => candidate.part === part && candidate.pcr === 4)
    if (event !== undefined) return event.digests.sha256
    const parts = events.filter(({ pcr }) => pcr === 4).map(candidate => candidate.part)
    throw new ToolError('OPERATOR_WOULD_NOT_APPROVE', 'the operator cannot compute the values of this image', {
      found: parts.length === 0 ? 'no event in PCR 4' : parts.join(', '),
      wanted: `an event ${part} in PCR 4`,
      hint: 'the operator knows only shim, GRUB and a kernel with Secure Boot on; use target trustee',
    })
  }
  return { shim: digestOf('Pcr4Shim'), grub: digestOf('Pcr4Grub'), kernel: digestOf('Pcr4Vmlinuz') }
}
