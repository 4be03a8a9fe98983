// The initramfs of a guest: writes what was measured to its second serial port as a compressed tar archive and powers off.

import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { makeCpio } from '../cpio.ts'

/** Stands before the archive: the firmware writes its console to every serial port that it knows. */
export const guestMark = 'MEASURED-BY-THE-GUEST'

const script = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /out/pcrs
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t securityfs securityfs /sys/kernel/security
insmod /efivarfs.ko
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
cp /proc/cmdline /out/cmdline
uname -r > /out/release
cp /sys/kernel/security/tpm0/binary_bios_measurements /out/eventlog.bin
for bank in sha1 sha256 sha384 sha512; do
  cp -r /sys/class/tpm/tpm0/pcr-$bank /out/pcrs/$bank
done
cp -r /sys/firmware/efi/efivars /out/efivars
cp -r /sys/firmware/efi/mok-variables /out/mok-variables
stty -F /dev/ttyS1 raw
(echo ${guestMark}; tar -c -f - -C /out . | gzip -1) > /dev/ttyS1
poweroff -f
`

/** The archive, gzip; equal for equal modules. `efivarfs` is the kernel's module of that name. */
export function makeGuestInitramfs(efivarfs: Uint8Array): Uint8Array {
  const file = (path: string, mode: number, content: Uint8Array) => ({ path, mode: 0o100000 | mode, mtime: 0, content })
  const directory = (path: string) => ({ path, mode: 0o040755, mtime: 0, content: new Uint8Array() })
  const archive = makeCpio([
    directory('bin'),
    file('bin/busybox', 0o755, new Uint8Array(readFileSync('/bin/busybox'))),
    file('efivarfs.ko', 0o644, efivarfs),
    file('init', 0o755, new Uint8Array(Buffer.from(script))),
  ])
  return new Uint8Array(gzipSync(archive))
}
