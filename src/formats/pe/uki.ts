// Unified kernel images: UAPI Group, "Unified Kernel Image"; sections are found as systemd does it, src/boot/pe.c.

import { ToolError } from '../../errors.ts'
import { type Digests, digestInBanks } from '../bytes/digest.ts'
import { type LoaderInfo, loaderInfo } from './loader-info.ts'
import type { PeFile } from './pe.ts'
import type { PeSection } from './sections.ts'

/**
 * Sections that mean something to a stub, in the order of measuring: systemd, src/fundamental/uki.h. The order is fixed there for ever;
 * no stub knows them all from the beginning.
 */
export const ukiSectionNames = [
  '.linux',
  '.osrel',
  '.cmdline',
  '.initrd',
  '.ucode',
  '.splash',
  '.dtb',
  '.uname',
  '.sbat',
  '.pcrsig',
  '.pcrpkey',
  '.profile',
  '.dtbauto',
  '.hwids',
  '.efifw',
] as const
export type UkiSectionName = (typeof ukiSectionNames)[number]

export interface UkiSection {
  readonly name: UkiSectionName
  /** As memory holds it: VirtualSize bytes, zeros behind what the file has. Never empty. */
  readonly data: Uint8Array
  /** Of `data`; made when they are first asked for, and once. */
  readonly digests: () => Digests
}

export interface Uki {
  readonly source: string
  /** undefined: another stub than systemd's. */
  readonly stub: LoaderInfo | undefined
  /** How many profiles there are; 0 when the file has no `.profile`. */
  readonly profiles: number
  /** What the stub finds when that profile is started, in the order of `ukiSectionNames`. */
  readonly sections: (profile?: number) => readonly UkiSection[]
  /** The kernel inside, as the default profile has it. */
  readonly linux: Uint8Array
  /** Names of sections with a leading dot that are neither in `ukiSectionNames` nor the stub's own program. */
  readonly unknownSections: readonly string[]
}

/** No section is larger in memory; a larger one is a lie about VirtualSize. */
const sectionCeiling = 512 * 1024 ** 2
/** Until this version the last section wins, and it is enough that its name begins with the name looked for. */
const lastByPrefix = 256
const programSections = new Set(
  '.text .rodata .data .bss .reloc .dynamic .dynsym .dynstr .rela .rel .hash .gnu.has .sdmagic .eh_fram .note .buildid'.split(
    ' ',
  ),
)

/** Whether the file has a kernel inside, or what an old stub takes for one by the beginning of the name: that makes it a UKI, whatever its stub is. */
export function isUki(pe: PeFile): boolean {
  return pe.sections.some(section => section.shortName.startsWith('.linux') && section.virtualSize > 0)
}

/** Throws PE_INVALID for sections that overlap or lie about their size, and UKI_INVALID for a file without a kernel. */
export function parseUki(pe: PeFile): Uki {
  checkMemory(pe)
  const stub = loaderInfo(pe)
  const table = pe.sections
  const byPrefix = stub !== undefined && stub.major <= lastByPrefix
  const starts = byPrefix ? [] : table.flatMap((section, index) => (section.shortName === '.profile' ? [index] : []))
  const locate = byPrefix ? locateLast : locateFirst
  // profiles share sections, and whoever predicts many boots asks again and again
  const made = new Map<string, UkiSection>()
  const sectionOf = (name: UkiSectionName, section: PeSection): UkiSection => {
    const key = `${section.headerOffset} ${name}`
    const one = made.get(key) ?? hashedOnce(name, memoryOf(section))
    made.set(key, one)
    return one
  }
  const sections = (profile = 0) => {
    const found = new Map(locate(table.slice(0, starts[0] ?? table.length)))
    const start = starts[profile]
    if (start !== undefined)
      for (const [name, section] of locate(table.slice(start, starts[profile + 1] ?? table.length)))
        found.set(name, section)
    return ukiSectionNames.flatMap(name => {
      const section = found.get(name)
      return section === undefined || section.virtualSize === 0 ? [] : [sectionOf(name, section)]
    })
  }
  const linux = sections().find(section => section.name === '.linux')
  if (linux === undefined)
    throw new ToolError('UKI_INVALID', 'the file has no kernel inside', {
      wanted: 'a section .linux',
      where: { source: pe.source },
    })
  return {
    source: pe.source,
    stub: stub?.program === 'systemd-stub' ? stub : undefined,
    profiles: starts.length,
    sections,
    linux: linux.data,
    unknownSections: [...new Set(table.map(section => section.shortName).filter(isUnknown))],
  }
}

function hashedOnce(name: UkiSectionName, data: Uint8Array): UkiSection {
  let digests: Digests | undefined
  return {
    name,
    data,
    digests: () => {
      digests ??= digestInBanks(data)
      return digests
    },
  }
}

type Located = Iterable<readonly [UkiSectionName, PeSection]>

function locateFirst(table: readonly PeSection[]): Located {
  return ukiSectionNames.flatMap(name => {
    const section = table.find(({ shortName }) => shortName === name)
    return section === undefined ? [] : [[name, section] as const]
  })
}

function locateLast(table: readonly PeSection[]): Located {
  return ukiSectionNames.flatMap(name => {
    const section = table.findLast(({ shortName }) => shortName.startsWith(name))
    return section === undefined ? [] : [[name, section] as const]
  })
}

function isUnknown(name: string): boolean {
  const known: readonly string[] = ukiSectionNames
  return name.startsWith('.') && !known.includes(name) && !programSections.has(name)
}

/** VirtualSize bytes; the loader of the firmware fills up with zeros (edk2, MdePkg/Library/BasePeCoffLib, PeCoffLoaderLoadImage). */
function memoryOf({ data, virtualSize }: PeSection): Uint8Array {
  if (virtualSize <= data.length) return data.subarray(0, virtualSize)
  const memory = new Uint8Array(virtualSize)
  memory.set(data)
  return memory
}

/** Sections that lie over each other would not be in memory what they are in the file. */
function checkMemory(pe: PeFile): void {
  const placed = pe.sections.filter(section => section.virtualSize > 0)
  let end = pe.sizeOfHeaders
  let zeros = 0
  for (const section of placed.toSorted((a, b) => a.virtualAddress - b.virtualAddress)) {
    const { name, virtualSize, virtualAddress, headerOffset } = section
    zeros += Math.max(0, virtualSize - section.data.length)
    const refuse = (path: string, offset: number, message: string, found: string, wanted: string) =>
      new ToolError('PE_INVALID', message, {
        found,
        wanted,
        where: { source: pe.source, path: `Section ${name}/${path}`, offset: headerOffset + offset },
      })
    if (virtualSize > sectionCeiling || zeros > sectionCeiling)
      throw refuse(
        'VirtualSize',
        8,
        'a section is too large in memory',
        `${virtualSize}`,
        `at most ${sectionCeiling} in all`,
      )
    if (virtualAddress < end)
      throw refuse('VirtualAddress', 12, 'sections overlap in memory', `${virtualAddress}`, `at least ${end}`)
    end = virtualAddress + virtualSize
    if (end > 2 ** 32)
      throw refuse('VirtualAddress', 12, 'a section ends outside of memory', `${end}`, `at most ${2 ** 32}`)
  }
}
