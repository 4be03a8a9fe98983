// Finds the firmware's TCG event log in the memory of a machine: TCG PC Client Platform Firmware Profile 1.06 §10.2.
// GRUB 2.06 with Secure Boot off does not tell Linux of the log, so the kernel has none to show.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const signature = Buffer.from('Spec ID Event03\0', 'latin1')
/** PCR index, event type, SHA-1 digest and size stand before the data of the first record. */
const firstHeader = 32
const chunk = 16 * 1024 * 1024
/** Longer than any log that OVMF has room for. */
const longestLog = 256 * 1024
const digestLengths = new Map([
  [0x4, 20],
  [0xb, 32],
  [0xc, 48],
  [0xd, 64],
])

/** The longest log in a file of memory, without what lies behind its last record; undefined when there is none. */
export function findEventLog(memory: string): Uint8Array | undefined {
  const descriptor = openSync(memory, 'r')
  try {
    const { size } = fstatSync(descriptor)
    let longest: Uint8Array | undefined
    for (let start = 0; start < size; start += chunk) {
      const bytes = Buffer.alloc(chunk + signature.length)
      const length = readSync(descriptor, bytes, 0, bytes.length, start)
      for (let at = bytes.indexOf(signature); at >= 0 && at < length; at = bytes.indexOf(signature, at + 1)) {
        const log = Buffer.alloc(longestLog)
        const read = readSync(descriptor, log, 0, log.length, Math.max(0, start + at - firstHeader))
        const found = log.subarray(0, endOfLog(log.subarray(0, read)))
        if (found.length > (longest?.length ?? 0)) longest = new Uint8Array(found)
      }
    }
    return longest
  } finally {
    closeSync(descriptor)
  }
}

/** Offset behind the last record; 0 when the first is none. */
function endOfLog(log: Buffer): number {
  if (log.readUInt32LE(0) !== 0 || log.readUInt32LE(4) !== 3) return 0
  const banks = log.readUInt32LE(firstHeader + 24)
  let offset = firstHeader + log.readUInt32LE(28)
  for (;;) {
    const end = endOfRecord(log, offset, banks)
    if (end === undefined) return offset
    offset = end
  }
}

function endOfRecord(log: Buffer, start: number, banks: number): number | undefined {
  if (start + 12 > log.length) return undefined
  const pcr = log.readUInt32LE(start)
  const type = log.readUInt32LE(start + 4)
  if (pcr > 23 || type === 0 || log.readUInt32LE(start + 8) !== banks) return undefined
  let offset = start + 12
  for (let bank = 0; bank < banks; bank++) {
    if (offset + 2 > log.length) return undefined
    const length = digestLengths.get(log.readUInt16LE(offset))
    if (length === undefined) return undefined
    offset += 2 + length
  }
  if (offset + 4 > log.length) return undefined
  const end = offset + 4 + log.readUInt32LE(offset)
  return end <= log.length ? end : undefined
}
