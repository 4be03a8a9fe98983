// Which boot chain a set of boot files makes (interface §2).

import { ToolError } from '../errors.ts'
import type { BootFile, BootFileRole } from '../image/boot-file.ts'
import { type BootChainName, bootChains } from './prediction.ts'

/** Roles that decide the chain; the others say nothing of it. */
const chainRoles = ['shim', 'grub', 'systemd-boot', 'uki', 'kernel'] as const satisfies readonly BootFileRole[]
type ChainRole = (typeof chainRoles)[number]

const rolesOf: Readonly<Record<BootChainName, readonly ChainRole[]>> = {
  'shim-grub-linux': ['shim', 'grub', 'kernel'],
  'grub-linux': ['grub', 'kernel'],
  uki: ['uki'],
  'shim-uki': ['shim', 'uki'],
  'systemd-boot-uki': ['systemd-boot', 'uki'],
  'systemd-boot-linux': ['systemd-boot', 'kernel'],
  'shim-systemd-boot-uki': ['shim', 'systemd-boot', 'uki'],
}

/** The files of the one chain that is predicted in this version. */
export interface ShimGrubLinux {
  readonly shim: BootFile
  readonly grub: BootFile
  readonly kernel: BootFile
}

/**
 * The chain's files out of all boot files. Throws BOOT_CHAIN_UNKNOWN for a set that is no chain (or has a role twice)
 * and SETTING_NOT_SUPPORTED for a chain other than shim-grub-linux.
 */
export function shimGrubLinux(files: readonly BootFile[]): ShimGrubLinux {
  const chain = findChain(files)
  const [shim, grub, kernel] = (['shim', 'grub', 'kernel'] as const).map(role => files.find(file => file.role === role))
  if (chain === 'shim-grub-linux' && shim !== undefined && grub !== undefined && kernel !== undefined)
    return { shim, grub, kernel }
  throw new ToolError('SETTING_NOT_SUPPORTED', `the boot chain ${chain} is not supported yet`, {
    found: chain,
    wanted: 'shim-grub-linux',
  })
}

function findChain(files: readonly BootFile[]): BootChainName {
  const present = files.map(file => file.role).filter(role => chainRoles.some(known => known === role))
  const chain = bootChains.find(name => sameRoles(rolesOf[name], present))
  if (chain !== undefined) return chain
  throw new ToolError('BOOT_CHAIN_UNKNOWN', 'the boot files do not make a boot chain', {
    found: present.length === 0 ? 'no boot file' : present.join(', '),
    wanted: `one of ${bootChains.map(name => `${name} (${rolesOf[name].join(', ')})`).join('; ')}`,
  })
}

function sameRoles(wanted: readonly string[], present: readonly string[]): boolean {
  return wanted.length === present.length && wanted.every(role => present.includes(role))
}
