// A disk with one EFI system partition: GPT by sgdisk, FAT32 by mtools. Equal files give an equal partition table.

import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run } from '../real/debian-packages.ts'

export type EspFiles = ReadonlyMap<string, Uint8Array>

/** As GRUB's `search.fs_uuid` writes the serial number of the file system. */
export const fileSystemUuid = '1234-ABCD'

const diskMebibytes = 72
const partitionMebibytes = 70
const sectorsPerMebibyte = 2048

/** Writes the files below `directory`. */
export function writeEspTree(directory: string, files: EspFiles): void {
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), bytes)
  }
}

/** Makes the disk image from what lies below `tree`. */
export function makeDisk(disk: string, tree: string): void {
  writeFileSync(disk, '')
  truncateSync(disk, diskMebibytes * 1024 * 1024)
  const table = [
    '--disk-guid=11111111-2222-4333-8444-555555555555',
    `--new=1:${sectorsPerMebibyte}:+${partitionMebibytes}M`,
    '--typecode=1:EF00',
    '--change-name=1:ESP',
    '--partition-guid=1:66666666-7777-4888-9999-aaaaaaaaaaaa',
  ]
  run('sgdisk', [...table, disk])
  const partition = ['-i', `${disk}@@1M`]
  const size = String(partitionMebibytes * sectorsPerMebibyte)
  // one sector per cluster: FAT32 has at least 65525 clusters
  run('mformat', [...partition, '-F', '-c', '1', '-T', size, '-N', fileSystemUuid.replace('-', ''), '-v', 'ESP', '::'])
  run('sh', ['-c', 'cd "$1" && SOURCE_DATE_EPOCH=1767225600 mcopy -s -i "$2" ./* ::', 'sh', tree, `${disk}@@1M`])
}
