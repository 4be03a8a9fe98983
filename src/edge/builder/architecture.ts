// Whether this machine can run the programs of an image: its own architecture, or an emulator that the kernel knows (binfmt_misc).

import { readdir, readFile } from 'node:fs/promises'
import { endianness } from 'node:os'
import { join } from 'node:path'
import { ToolError } from '../../errors.ts'

/** Names of GOARCH, which images use, for those of Node. */
const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }

/** The names that QEMU gives its emulators. */
const emulated: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  arm64: 'aarch64',
  ppc64le: 'ppc64le',
  s390x: 's390x',
}

export interface Machine {
  readonly arch: string
  /** Where the kernel lists its emulators. */
  readonly binfmt: string
}

const thisMachine: Machine = { arch: process.arch, binfmt: '/proc/sys/fs/binfmt_misc' }

/** Throws BUILDER_NOT_FOUND when programs of the architecture (as images name it) cannot run here. */
export async function expectRunnable(architecture: string, machine = thisMachine): Promise<void> {
  const own = machine.arch === 'ppc64' && endianness() === 'BE' ? 'ppc64' : (names[machine.arch] ?? machine.arch)
  if (own === architecture || (await hasEmulator(architecture, machine.binfmt))) return
  throw new ToolError('BUILDER_NOT_FOUND', 'this machine cannot run programs of the image', {
    found: own,
    wanted: architecture,
    hint: `run this on a machine with ${architecture}, or install an emulator for it (qemu-user-static)`,
  })
}

/** An enabled entry whose interpreter is QEMU's for the architecture: Documentation/admin-guide/binfmt-misc.rst of Linux. */
async function hasEmulator(architecture: string, binfmt: string): Promise<boolean> {
  const wanted = new RegExp(`^interpreter .*qemu-${emulated[architecture] ?? architecture}(?:-static)?$`, 'm')
  const entries = await readdir(binfmt).catch(() => [])
  for (const entry of entries) {
    const text = await readFile(join(binfmt, entry), 'latin1').catch(() => '')
    if (/^enabled$/m.test(text) && wanted.test(text)) return true
  }
  return false
}
