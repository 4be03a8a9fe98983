// The files of an ESP, by boot chain. Every menu has a timeout of zero and one entry.

import { createPublicKey } from 'node:crypto'
import { makeCpio } from '../cpio.ts'
import type { BootKernel, BootLoaderPair } from './boot-packages.ts'
import type { EspFiles } from './disk.ts'
import { linuxEarlyConsole } from './machine.ts'
import { ownerKey } from './signing.ts'
import { makeUki, type UkiSections } from './uki.ts'

export const paths = {
  firstLoader: 'EFI/BOOT/BOOTX64.EFI',
  secondLoader: 'EFI/BOOT/grubx64.efi',
  kernel: 'vmlinuz',
  uki: 'EFI/Linux/guest.efi',
} as const

const text = (value: string) => new Uint8Array(Buffer.from(value))
const quiet = 'root=/dev/none ro console=ttyS0,115200 quiet'
const early = `root=/dev/none ro console=ttyS0,115200 ${linuxEarlyConsole}`

/** shim, GRUB and its configuration. The machine halts when GRUB does not boot the kernel. */
export function grubTree(
  { shim, grub }: BootLoaderPair,
  { vmlinuz, initramfs }: BootKernel,
  commandLine: 'quiet' | 'early' = 'quiet',
): EspFiles {
  const words = commandLine === 'quiet' ? quiet : early
  const menu = `linux ($root)/vmlinuz ${words}\ninitrd ($root)/initrd.img\nboot\nhalt\n`
  return new Map([
    [paths.firstLoader, shim],
    [paths.secondLoader, grub],
    ['EFI/debian/grub.cfg', text(menu)],
    [paths.kernel, vmlinuz],
    ['initrd.img', initramfs],
  ])
}

/** systemd-boot, as the first or the second loader, with UKIs or an entry of type 1. */
export function systemdBootTree(loaders: EspFiles, files: EspFiles): EspFiles {
  const entry = `title guest\nlinux /vmlinuz\ninitrd /initrd.img\noptions ${quiet}\n`
  const entries = new Map(files.has(paths.kernel) ? [['loader/entries/guest.conf', text(entry)]] : [])
  return new Map([...loaders, ['loader/loader.conf', text('timeout 0\n')], ...entries, ...files])
}

/** A UKI that boots the guest; `more` are sections before the kernel. */
export function guestUki(
  stub: Uint8Array,
  { release, vmlinuz, initramfs }: BootKernel,
  more: UkiSections = {},
): Uint8Array {
  return makeUki(stub, {
    '.osrel': text('NAME="Guest"\nID=guest\nVERSION_ID=1\n'),
    '.cmdline': text(quiet),
    '.uname': text(release),
    ...more,
    '.linux': vmlinuz,
    '.initrd': initramfs,
  })
}

/** Sections that stub 257 measures beside those of every UKI; one pixel, no microcode, and any public key. */
export function everySection(): UkiSections {
  const bitmap = Buffer.alloc(58)
  bitmap.write('BM', 'latin1')
  for (const [offset, value] of [
    [2, 58],
    [10, 54],
    [14, 40],
    [18, 1],
    [22, 1],
    [26, 0x180001],
    [34, 4],
  ] as const)
    bitmap.writeUInt32LE(value, offset)
  const { privateKey } = ownerKey()
  const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
  return { '.splash': new Uint8Array(bitmap), '.ucode': makeCpio([]), '.pcrpkey': text(pem) }
}
