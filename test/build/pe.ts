// Tiny valid PE32 and PE32+ files for tests: "PE Format" (Microsoft), headers, sections, COFF string table for long names.

import { signPe } from './authenticode.ts'
import type { SigningKey } from './certificate.ts'

export interface PeSectionToMake {
  readonly name: string
  readonly data: Uint8Array
  /** Size in memory; the length of `data` when left out. */
  readonly virtualSize?: number
  /** How many COFF relocations the header claims; 0 when left out. */
  readonly relocations?: number
}

export interface PeToMake {
  readonly sections: readonly PeSectionToMake[]
  /** 0x8664 (x86-64) when left out; 0xaa64 is AArch64. */
  readonly machine?: number
  /** 10 (EFI application) when left out. */
  readonly subsystem?: number
  readonly magic?: 'PE32' | 'PE32+'
  /** Bytes behind the last section. */
  readonly overlay?: Uint8Array
  /** 0x200 when left out. */
  readonly fileAlignment?: number
  /** 0x40 or more; where the PE signature is. 0x80 when left out. */
  readonly headerOffset?: number
  /** Size of all headers; the smallest that fits when left out. */
  readonly headersSize?: number
  /** Bytes to put into the headers, outside of the PE header and section table. */
  readonly headerBytes?: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
}

const directories = 16
const sectionAlignment = 0x1000

/** A PE file; with a signer, Authenticode-signed (see signPe). */
export function makePe(wanted: PeToMake, signer?: SigningKey): Uint8Array {
  const wide = (wanted.magic ?? 'PE32+') === 'PE32+'
  const fileAlignment = wanted.fileAlignment ?? 0x200
  const headerAt = wanted.headerOffset ?? 0x80
  const optionalAt = headerAt + 24
  const optionalSize = (wide ? 112 : 96) + directories * 8
  const tableAt = optionalAt + optionalSize
  const headersSize = Math.max(wanted.headersSize ?? 0, align(tableAt + wanted.sections.length * 40, fileAlignment))
  const names = new StringTable()
  const placed = place(wanted.sections, headersSize, fileAlignment, names)
  const sectionsEnd = placed.at(-1)?.end ?? headersSize
  const strings = names.bytes()
  const overlay = wanted.overlay ?? new Uint8Array(0)
  const file = new Uint8Array(sectionsEnd + strings.length + overlay.length)
  const view = new DataView(file.buffer)
  for (const { offset, bytes } of wanted.headerBytes ?? []) file.set(bytes, offset)
  file.set(Buffer.from('MZ', 'latin1'), 0)
  view.setUint32(0x3c, headerAt, true)

  file.set(Buffer.from('PE\0\0', 'latin1'), headerAt)
  view.setUint16(headerAt + 4, wanted.machine ?? 0x8664, true)
  view.setUint16(headerAt + 6, wanted.sections.length, true)
  view.setUint32(headerAt + 12, strings.length === 0 ? 0 : sectionsEnd, true)
  view.setUint16(headerAt + 20, optionalSize, true)
  view.setUint16(headerAt + 22, 0x0222, true)

  view.setUint16(optionalAt, wide ? 0x20b : 0x10b, true)
  view.setUint32(optionalAt + 16, sectionAlignment, true)
  view.setUint32(optionalAt + 32, sectionAlignment, true)
  view.setUint32(optionalAt + 36, fileAlignment, true)
  view.setUint32(optionalAt + 56, placed.at(-1)?.memoryEnd ?? sectionAlignment, true)
  view.setUint32(optionalAt + 60, headersSize, true)
  view.setUint16(optionalAt + 68, wanted.subsystem ?? 10, true)
  view.setUint32(optionalAt + (wide ? 108 : 92), directories, true)

  for (const [index, section] of placed.entries()) {
    const at = tableAt + index * 40
    file.set(Buffer.from(section.shortName, 'latin1'), at)
    view.setUint32(at + 8, section.virtualSize, true)
    view.setUint32(at + 12, section.virtualAddress, true)
    view.setUint32(at + 16, section.end - section.start, true)
    view.setUint32(at + 20, section.start, true)
    view.setUint16(at + 32, section.relocations ?? 0, true)
    view.setUint32(at + 36, section.name === '.text' ? 0x60000020 : 0x40000040, true)
    file.set(section.data, section.start)
  }
  file.set(strings, sectionsEnd)
  file.set(overlay, sectionsEnd + strings.length)
  return signer === undefined ? file : signPe(file, signer)
}

function place(sections: readonly PeSectionToMake[], start: number, fileAlignment: number, names: StringTable) {
  let [fileAt, memoryAt] = [start, align(start, sectionAlignment)]
  return sections.map(section => {
    const virtualSize = section.virtualSize ?? section.data.length
    const [begin, virtualAddress] = [fileAt, memoryAt]
    fileAt = align(fileAt + section.data.length, fileAlignment)
    memoryAt = align(memoryAt + Math.max(virtualSize, 1), sectionAlignment)
    const shortName = names.shorten(section.name)
    return { ...section, shortName, virtualSize, virtualAddress, start: begin, end: fileAt, memoryEnd: memoryAt }
  })
}

/** COFF string table: u32 size of it all, then names with NUL. */
class StringTable {
  readonly #names: Buffer[] = []
  #size = 4

  /** The name itself, or `/n` when it is longer than eight bytes. */
  shorten(name: string): string {
    if (name.length <= 8) return name
    const short = `/${this.#size}`
    const bytes = Buffer.from(`${name}\0`, 'latin1')
    this.#names.push(bytes)
    this.#size += bytes.length
    return short
  }

  bytes(): Uint8Array {
    if (this.#names.length === 0) return new Uint8Array(0)
    const size = Buffer.alloc(4)
    size.writeUInt32LE(this.#size)
    return new Uint8Array(Buffer.concat([size, ...this.#names]))
  }
}

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to
}
