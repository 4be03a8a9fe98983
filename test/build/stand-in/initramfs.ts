// Writes what the scripts of a kernel package leave beside the kernel: modules.dep and the initramfs, both of its real modules.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { withDirectories } from '../boot-files.ts'
import { makeCpio } from '../cpio.ts'

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
  const take = (name: string) => ({
    path: `${below}/${name}`,
    content: new Uint8Array(readFileSync(join(moduleDirectory, name))),
  })
  const init = new Uint8Array(Buffer.from('#!/bin/sh\nexec /usr/lib/systemd/systemd\n'))
  const files = [
    { path: 'init', mode: 0o100755, content: init },
    take('modules.dep'),
    ...modulesOf(moduleDirectory)
      .filter(module => needed.test(module))
      .map(take),
  ]
  return new Uint8Array(gzipSync(makeCpio(withDirectories(files)), { level: 6 }))
}

function modulesOf(moduleDirectory: string): string[] {
  return readdirSync(moduleDirectory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && /\.ko(?:\.(?:xz|zst|gz))?$/.test(entry.name))
    .map(entry => relative(moduleDirectory, join(entry.parentPath, entry.name)))
    .sort()
}
