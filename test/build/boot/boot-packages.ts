// Signed boot files for the machines, of Debian 12 and 13, fetched by apt-get and unpacked; nothing is installed.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DebianPackage, describe, fileOf, packageOf, type RealKernel, realFiles } from '../real/debian-packages.ts'
import { makeGuestInitramfs } from './guest.ts'
import { firmwareDirectory } from './machine.ts'

/** What was used when the record was written: packages, and the parts of this machine that boots depend on. */
export const recordFile = join(import.meta.dirname, '../../../fixtures/boot-packages.json')

export interface BootKernel {
  readonly release: string
  readonly vmlinuz: Uint8Array
  readonly initramfs: Uint8Array
}

export interface BootLoaderPair {
  readonly shim: Uint8Array
  readonly grub: Uint8Array
}

export interface BootParts {
  readonly packages: readonly DebianPackage[]
  /** Debian 12: shim 16.1 and GRUB 2.06. */
  readonly older: BootLoaderPair
  /** Debian 13: its own build of shim 16.1, and GRUB 2.12. */
  readonly newer: BootLoaderPair
  readonly kernelA: BootKernel
  readonly kernelB: BootKernel
  readonly stub252: Uint8Array
  readonly stub257: Uint8Array
  /** systemd-boot 257 without a signature. */
  readonly systemdBoot: Uint8Array
  /** systemd-boot 257, signed by Debian. */
  readonly signedSystemdBoot: Uint8Array
}

/** Fetches what is not there yet. Throws an Error with the words of apt-get. */
export function bootParts(): BootParts {
  const files = realFiles()
  const shim13 = packageOf('shim-signed', 'trixie')
  const systemd12 = packageOf('systemd-boot-efi', 'bookworm')
  const systemd13 = packageOf('systemd-boot-efi', 'trixie')
  const signed13 = packageOf('systemd-boot-efi-amd64-signed', 'trixie')
  const stub = 'usr/lib/systemd/boot/efi/linuxx64.efi.stub'
  const kernel = ({ build, vmlinuz }: RealKernel): BootKernel => {
    const release = `6.1.0-${build}-amd64`
    const file = packageOf(`linux-image-${release}`, 'bookworm')
    const efivarfs = fileOf(file, `lib/modules/${release}/kernel/fs/efivarfs/efivarfs.ko`)
    return { release, vmlinuz, initramfs: makeGuestInitramfs(efivarfs) }
  }
  return {
    packages: [
      ...files.packages,
      describe(systemd12, 'bookworm'),
      ...[shim13, systemd13, signed13].map(file => describe(file, 'trixie')),
    ],
    older: { shim: files.shim, grub: files.grub206 },
    newer: { shim: fileOf(shim13, 'usr/lib/shim/shimx64.efi.signed'), grub: files.grub212 },
    kernelA: kernel(files.oldKernel),
    kernelB: kernel(files.newKernel),
    stub252: fileOf(systemd12, stub),
    stub257: fileOf(systemd13, stub),
    systemdBoot: fileOf(systemd13, 'usr/lib/systemd/boot/efi/systemd-bootx64.efi'),
    signedSystemdBoot: fileOf(signed13, 'usr/lib/systemd/boot/efi/systemd-bootx64.efi.signed'),
  }
}

/** Packages and firmware files that are not those of the record, one line each. */
export function differencesToRecord(packages: readonly DebianPackage[]): string[] {
  const record = JSON.parse(readFileSync(recordFile, 'utf8')) as BootRecord
  const changed = packages.flatMap(({ name, version, suite, sha256 }) => {
    if (record.packages.some(known => known.sha256 === sha256)) return []
    const known = record.packages.find(one => one.name === name && one.suite === suite)
    return [`${suite} ${name} ${version} instead of ${known?.version ?? 'nothing'}`]
  })
  const firmware = Object.entries(record.files).flatMap(([name, sha256]) => {
    const found = createHash('sha256')
      .update(readFileSync(join(firmwareDirectory, name)))
      .digest('hex')
    return found === sha256 ? [] : [`${name} with sha256 ${found} instead of ${sha256}`]
  })
  return [...changed, ...firmware]
}

interface BootRecord {
  readonly packages: readonly DebianPackage[]
  /** Name → SHA-256 of a file of OVMF. */
  readonly files: Readonly<Record<string, string>>
}
