// Digests of an event computed again from its logged data, where those are what was hashed: TCG PC Client Platform
// Firmware Profile 1.06 §10.4.1; GRUB: grub-core/commands/tpm.c.

import { ToolError } from '../../errors.ts'
import { type Bank, banks, type Digests, digestInBanks } from '../bytes/digest.ts'
import { parseVariableEvent } from '../efi/variable-event.ts'
import type { LoggedEvent } from './event-log.ts'
import { identityFields } from './gpt-event.ts'

/** What GRUB writes before the text that it hashes. */
const grubLabels = ['grub_cmd: ', 'kernel_cmdline: ', 'module_cmdline: ']

/**
 * The bytes that may have been hashed: none where the data do not tell them (loaded files, most labels), several where
 * firmware differs. EV_EFI_VARIABLE_BOOT hashes the variable's data alone in EDK II, the whole structure elsewhere.
 */
export function hashedBytes(event: LoggedEvent): readonly Uint8Array[] {
  const { type, data, error } = event
  if (error !== undefined) return []
  switch (type) {
    case 'EV_SEPARATOR':
      return [data.subarray(0, 4)]
    case 'EV_ACTION':
    case 'EV_EFI_ACTION':
    case 'EV_S_CRTM_VERSION':
    case 'EV_EFI_VARIABLE_DRIVER_CONFIG':
    case 'EV_EFI_VARIABLE_AUTHORITY':
    case 'EV_EFI_VARIABLE_BOOT2':
    case 'EV_EFI_GPT_EVENT':
      return [data]
    case 'EV_EFI_GPT_EVENT2':
      return [withoutIdentity(data)]
    case 'EV_EFI_VARIABLE_BOOT':
      return [variableData(data), data]
    case 'EV_IPL':
      return grubText(data)
    default:
      return []
  }
}

/** Digests in every bank, one set for each of `hashedBytes`; empty where the data do not tell what was hashed. */
export function recomputedDigests(event: LoggedEvent): readonly Digests[] {
  return hashedBytes(event).map(bytes => digestInBanks(bytes))
}

/**
 * The digests in every bank when the data give those that the log has, so also banks that the log lacks.
 * 'differ' when the data were to be hashed and give others; undefined where the data do not tell.
 */
export function digestsFromData(event: LoggedEvent): Digests | 'differ' | undefined {
  const candidates = recomputedDigests(event)
  const logged = banks.filter(bank => event.digests[bank] !== undefined)
  if (candidates.length === 0 || logged.length === 0) return undefined
  return candidates.find(candidate => logged.every(bank => isSame(event.digests, candidate, bank))) ?? 'differ'
}

function isSame(logged: LoggedEvent['digests'], candidate: Digests, bank: Bank): boolean {
  const digest = logged[bank]
  return digest !== undefined && Buffer.compare(digest, candidate[bank]) === 0
}

function variableData(data: Uint8Array): Uint8Array {
  try {
    return parseVariableEvent(data, '', 'EVENT_LOG_INVALID').data
  } catch (error) {
    if (error instanceof ToolError) return data
    throw error
  }
}

function withoutIdentity(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data)
  for (const { offset, length } of identityFields(data)) bytes.fill(0, offset, offset + length)
  return bytes
}

/** A command or command line of GRUB: hashed without label and without NUL. Names of files are labels only. */
function grubText(data: Uint8Array): readonly Uint8Array[] {
  const label = grubLabels.find(text => Buffer.from(data.subarray(0, text.length)).toString('latin1') === text)
  if (label === undefined) return []
  const end = data.at(-1) === 0 ? data.length - 1 : data.length
  return [data.subarray(label.length, end)]
}
