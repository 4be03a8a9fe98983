// Writes what the scripts of a kernel package leave beside the kernel: modules.dep and the initramfs, both of its real modules.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type CpioFile, makeCpioTree } from '../cpio.ts'

/** A module needs at least this in an initramfs; others stay in the root file system. */
const needed = /^kernel\/(?:fs|drivers\/(?:virtio|block|nvme))\//

/** depmod for modules that need no others: one line per module. */
export function writeModulesDep(moduleDirectory: string): void {
  writeFileSync(
    join(moduleDirectory, 'modules.dep'),
    modulesOf(moduleDirectory)
      .map(module => `${module}:\n`)
      .join(''),
  )
}

/** gzip over cpio, with the modules in the directory of `release`. */
export function makeInitramfsOf(moduleDirectory: string, release: string): Uint8Array {
  const below = `usr/lib/modules/${release}`
  const take = (name: string): CpioFile => ({
    path: `${below}/${name}`,
    bytes: new Uint8Array(readFileSync(join(moduleDirectory, name))),
  })
  const init = new Uint8Array(Buffer.from('#!/bin/sh\nexec /usr/lib/systemd/systemd\n'))
  const files: CpioFile[] = [
    { path: 'init', mode: 0o100755, bytes: init },
    take('modules.dep'),
    ...modulesOf(moduleDirectory)
      .filter(module => needed.test(module))
      .map(take),
  ]
  return new Uint8Array(gzipSync(makeCpioTree(files), { level: 6 }))
}

function modulesOf(moduleDirectory: string): string[] {
  return readdirSync(moduleDirectory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && /\.ko(?:\.(?:xz|zst|gz))?$/.test(entry.name))
    .map(entry => relative(moduleDirectory, join(entry.parentPath, entry.name)))
    .sort()
}
