// Unified kernel images by objcopy: a stub of systemd with sections behind its own (UAPI.5 Unified Kernel Image).

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../real/debian-packages.ts'
import { inScratch } from './signing.ts'

/** By section name, in the order of their addresses; the kernel and its initramfs last. */
export type UkiSections = Readonly<Record<`.${string}`, Uint8Array>>

const sectionAlignment = 0x1000n

export function makeUki(stub: Uint8Array, sections: UkiSections): Uint8Array {
  return inScratch(stub, path => {
    let address = aligned(endOfSections(path))
    const words: string[] = []
    for (const [name, bytes] of Object.entries(sections)) {
      const file = join(path, `../section${name}`)
      writeFileSync(file, bytes)
      words.push('--add-section', `${name}=${file}`, '--change-section-vma', `${name}=0x${address.toString(16)}`)
      address = aligned(address + BigInt(bytes.length))
    }
    run('objcopy', [...words, path])
  })
}

/** Address behind the last section, as objdump lists them: index, name, size, VMA. */
function endOfSections(path: string): bigint {
  const rows = run('objdump', ['--section-headers', '--wide', path]).matchAll(/^ *\d+ \S+ +([0-9a-f]+) +([0-9a-f]+)/gm)
  const ends = [...rows].map(([, size, start]) => BigInt(`0x${size}`) + BigInt(`0x${start}`))
  return ends.reduce((last, end) => (end > last ? end : last), 0n)
}

const aligned = (address: bigint) => ((address + sectionAlignment - 1n) / sectionAlignment) * sectionAlignment
