// What the data of an event say: TCG PC Client Platform Firmware Profile 1.06 §10.2 to §10.4.

import { ByteCursor } from '../bytes/cursor.ts'
import { formatHex } from '../bytes/hex.ts'
import { parseVariableEvent } from '../efi/variable-event.ts'

/** The readable part of the data; JSON as `replay` prints it. */
export type EventData =
  | { readonly kind: 'variable'; readonly vendorGuid: string; readonly name: string; readonly size: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly size: number; readonly filePath: string | null }
  | { readonly kind: 'separator'; readonly value: string }
  | { readonly kind: 'startup-locality'; readonly locality: number }

const code = 'EVENT_LOG_INVALID'

/** undefined for types whose data we leave alone. Throws EVENT_LOG_INVALID. */
export function parseEventData(type: string, data: Uint8Array, source: string): EventData | undefined {
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
      return imageLoadEvent(data, source)
    case 'EV_SEPARATOR':
      return { kind: 'separator', value: formatHex(new ByteCursor(data, source, { code }).take('separator', 4)) }
    case 'EV_NO_ACTION':
      return startupLocality(data)
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

/** EFI_IMAGE_LOAD_EVENT. */
function imageLoadEvent(data: Uint8Array, source: string): EventData {
  const cursor = new ByteCursor(data, source, { path: 'EFI_IMAGE_LOAD_EVENT', code })
  cursor.skip('ImageLocationInMemory', 8)
  const size = cursor.length64('ImageLengthInMemory', Number.MAX_SAFE_INTEGER)
  cursor.skip('ImageLinkTimeAddress', 8)
  const length = cursor.length64('LengthOfDevicePath', data.length)
  return { kind: 'image', size, filePath: filePathOf(cursor.part('DevicePath', length)) }
}

/** The text of the file path nodes of a device path (UEFI 2.10 §10.3.4.4), null without one. */
function filePathOf(cursor: ByteCursor): string | null {
  let path = ''
  while (cursor.left > 0) {
    const type = cursor.u8('Type')
    const subType = cursor.u8('Sub-Type')
    const length = cursor.u16('Length')
    if (length < 4) throw cursor.error('Length', `${length}`, 'at least 4')
    const node = cursor.take('node', length - 4)
    if (type === 0x7f && subType === 0xff) break
    if (type === 4 && subType === 4) path += Buffer.from(node).toString('utf16le').replaceAll('\0', '')
  }
  return path === '' ? null : path
}

/** PCR 0 begins with the locality of TPM2_Startup. */
function startupLocality(data: Uint8Array): EventData | undefined {
  const locality = data[16]
  const isOne = Buffer.from(data.subarray(0, 16)).toString('latin1') === 'StartupLocality\0'
  return isOne && locality !== undefined ? { kind: 'startup-locality', locality } : undefined
}
