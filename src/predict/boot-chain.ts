// Which boot chain a set of boot files makes, and who loads whom in it (interface §2).

import { ToolError } from '../errors.ts'
import type { BootFileRole } from '../image/boot-file.ts'
import { type BootChainName, bootChains } from './prediction.ts'

/** Roles that decide the chain; the others say nothing of it. */
export const chainRoles = ['shim', 'grub', 'systemd-boot', 'uki', 'kernel'] as const satisfies readonly BootFileRole[]
export type ChainRole = (typeof chainRoles)[number]

/** Roles in the order in which the files are loaded. */
export const rolesOfChain: Readonly<Record<BootChainName, readonly ChainRole[]>> = {
  'shim-grub-linux': ['shim', 'grub', 'kernel'],
  'grub-linux': ['grub', 'kernel'],
  uki: ['uki'],
  'shim-uki': ['shim', 'uki'],
  'systemd-boot-uki': ['systemd-boot', 'uki'],
  'systemd-boot-linux': ['systemd-boot', 'kernel'],
  'shim-systemd-boot-uki': ['shim', 'systemd-boot', 'uki'],
}

export function isChainRole(role: BootFileRole): role is ChainRole {
  return chainRoles.some(known => known === role)
}

/** The chain of the files with these roles. Throws BOOT_CHAIN_UNKNOWN for a set that is no chain, or has a role twice. */
export function findBootChain(roles: readonly BootFileRole[]): BootChainName {
  const present = roles.filter(isChainRole)
  const chain = bootChains.find(name => sameRoles(rolesOfChain[name], present))
  if (chain !== undefined) return chain
  throw new ToolError('BOOT_CHAIN_UNKNOWN', 'the boot files do not make a boot chain', {
    found: present.length === 0 ? 'no boot file' : present.join(', '),
    wanted: `one of ${bootChains.map(name => `${name} (${rolesOfChain[name].join(', ')})`).join('; ')}`,
  })
}

function sameRoles(wanted: readonly string[], present: readonly string[]): boolean {
  return wanted.length === present.length && wanted.every(role => present.includes(role))
}
