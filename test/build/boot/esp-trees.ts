// The files of an ESP, by boot chain. Every menu has a timeout of zero and one entry.

import type { BootKernel, BootLoaderPair } from './boot-packages.ts'
import type { EspFiles } from './disk.ts'
import { linuxEarlyConsole } from './machine.ts'
import { makeUki } from './uki.ts'

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

export function guestUki(stub: Uint8Array, { release, vmlinuz, initramfs }: BootKernel): Uint8Array {
  return makeUki(stub, {
    '.osrel': text('NAME="Guest"\nID=guest\nVERSION_ID=1\n'),
    '.cmdline': text(quiet),
    '.uname': text(release),
    '.linux': vmlinuz,
    '.initrd': initramfs,
  })
}
