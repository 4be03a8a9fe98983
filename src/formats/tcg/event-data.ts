// What the data of an event say: TCG PC Client Platform Firmware Profile 1.06 §10.2 to §10.4.

import { ByteCursor } from '../bytes/cursor.ts'
import { formatHex } from '../bytes/hex.ts'
import type { Guid } from '../efi/guid.ts'
import { parseVariableEvent } from '../efi/variable-event.ts'
import { crtmVersion, firmwareBlob, handoffTables } from './firmware-event.ts'
import { type GptPartition, parseGptEvent } from './gpt-event.ts'
import { parseImageLoadEvent } from './image-load-event.ts'
import { parseNoAction } from './no-action.ts'

/** The readable part of the data; JSON as `replay` prints it. Addresses are hex with `0x`, sizes are bytes. */
export type EventData =
  | { readonly kind: 'variable'; readonly vendorGuid: string; readonly name: string; readonly size: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly size: number; readonly filePath: string | null }
  /** `fault` tells a value that does not mean that all went well. */
  | { readonly kind: 'separator'; readonly value: string; readonly fault?: 'error' | 'unknown value' }
  | { readonly kind: 'gpt'; readonly diskGuid: Guid; readonly partitions: readonly GptPartition[] }
  | { readonly kind: 'tag'; readonly id: string; readonly size: number; readonly text?: string }
  | { readonly kind: 'version'; readonly text: string }
  | { readonly kind: 'version'; readonly guid: Guid }
  | { readonly kind: 'blob'; readonly description?: string; readonly address: string; readonly size: number }
  | {
      readonly kind: 'tables'
      readonly description?: string
      readonly tables: readonly { readonly guid: Guid; readonly address: string }[]
    }
  | { readonly kind: 'startup-locality'; readonly locality: number }
  /** An EV_NO_ACTION event by its signature. */
  | { readonly kind: 'no-action'; readonly signature: string; readonly size: number }

const code = 'EVENT_LOG_INVALID'

/** undefined for types whose data we leave alone. Throws EVENT_LOG_INVALID. */
export function parseEventData(type: string, data: Uint8Array, source: string): EventData | undefined {
  const cursor = (path: string) => new ByteCursor(data, source, { path, code })
  switch (type) {
    case 'EV_EFI_VARIABLE_DRIVER_CONFIG':
    case 'EV_EFI_VARIABLE_BOOT':
    case 'EV_EFI_VARIABLE_BOOT2':
    case 'EV_EFI_VARIABLE_AUTHORITY': {
      const variable = parseVariableEvent(data, source, code)
      const { vendorGuid, name } = variable
      return { kind: 'variable', vendorGuid, name, size: variable.data.length }
    }
    case 'EV_ACTION':
    case 'EV_EFI_ACTION':
    case 'EV_IPL':
      return { kind: 'text', text: textOf(data) }
    case 'EV_EFI_BOOT_SERVICES_APPLICATION':
    case 'EV_EFI_BOOT_SERVICES_DRIVER':
    case 'EV_EFI_RUNTIME_SERVICES_DRIVER':
      return parseImageLoadEvent(cursor('EFI_IMAGE_LOAD_EVENT'))
    case 'EV_SEPARATOR':
      return separator(cursor(''))
    case 'EV_EFI_GPT_EVENT':
    case 'EV_EFI_GPT_EVENT2':
      return parseGptEvent(cursor('UEFI_GPT_DATA'))
    case 'EV_EVENT_TAG':
      return taggedEvent(cursor('TCG_PCClientTaggedEvent'))
    case 'EV_S_CRTM_VERSION':
      return crtmVersion(data)
    case 'EV_EFI_PLATFORM_FIRMWARE_BLOB':
      return firmwareBlob(cursor('UEFI_PLATFORM_FIRMWARE_BLOB'), false)
    case 'EV_EFI_PLATFORM_FIRMWARE_BLOB2':
      return firmwareBlob(cursor('UEFI_PLATFORM_FIRMWARE_BLOB2'), true)
    case 'EV_EFI_HANDOFF_TABLES':
      return handoffTables(cursor('UEFI_HANDOFF_TABLE_POINTERS'), false)
    case 'EV_EFI_HANDOFF_TABLES2':
      return handoffTables(cursor('UEFI_HANDOFF_TABLE_POINTERS2'), true)
    case 'EV_NO_ACTION':
      return parseNoAction(data, cursor('EV_NO_ACTION'))
    case 'EV_POST_CODE':
    case 'EV_S_CRTM_CONTENTS':
    case 'EV_PLATFORM_CONFIG_FLAGS':
    case 'EV_COMPACT_HASH':
    case 'EV_OMIT_BOOT_DEVICE_EVENTS':
    case 'EV_EFI_HCRTM_EVENT':
      return label(data)
    default:
      return undefined
  }
}

/** Text up to its last character that is not NUL. systemd's stub logs UTF-16LE, shim and GRUB UTF-8. */
function textOf(data: Uint8Array): string {
  const wide = data.length >= 4 && data.length % 2 === 0 && data[1] === 0 && data[3] === 0
  const text = Buffer.from(data).toString(wide ? 'utf16le' : 'utf8')
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === 0) end--
  return text.slice(0, end)
}

/** Types whose data are a word for people on some firmware and other things on other firmware: only the word is read. */
function label(data: Uint8Array): EventData | undefined {
  const text = textOf(data)
  return /^[\x20-\x7e]+$/.test(text) ? { kind: 'text', text } : undefined
}

/** WBCL, with which Windows ends the PCRs of its own. */
const windowsSeparator = '5742434c'

/** §3.3.2.2: 0 or ffffffff ends the firmware's part of a PCR well, 1 with an error; an error may carry more data. */
function separator(cursor: ByteCursor): EventData {
  const value = formatHex(cursor.take('separator', 4))
  if (value === '00000000' || value === 'ffffffff' || value === windowsSeparator) return { kind: 'separator', value }
  return { kind: 'separator', value, fault: value === '01000000' ? 'error' : 'unknown value' }
}

/** TCG_PCClientTaggedEvent. Linux and systemd put a text there. */
function taggedEvent(cursor: ByteCursor): EventData {
  const id = `0x${cursor.u32('taggedEventID').toString(16).padStart(8, '0')}`
  const data = cursor.take('taggedEventData', cursor.u32('taggedEventDataSize'))
  const text = textOf(data)
  const readable = /^[\x20-\x7e]+$/.test(text) ? { text } : {}
  return { kind: 'tag', id, size: data.length, ...readable }
}
