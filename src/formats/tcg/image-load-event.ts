// EFI_IMAGE_LOAD_EVENT: TCG PC Client Platform Firmware Profile 1.06 §10.2.3.

import type { ByteCursor } from '../bytes/cursor.ts'
import type { EventData } from './event-data.ts'

/** Size of the loaded file and its place on the disk. Throws the cursor's code. */
export function parseImageLoadEvent(cursor: ByteCursor): EventData {
  cursor.skip('ImageLocationInMemory', 8)
  const size = cursor.length64('ImageLengthInMemory', Number.MAX_SAFE_INTEGER)
  cursor.skip('ImageLinkTimeAddress', 8)
  const length = cursor.length64('LengthOfDevicePath', cursor.bytes.length)
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
