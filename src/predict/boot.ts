// The files of one boot chain, each read once: who is loaded in which order, and what shim and UKI say of themselves.

import { ToolError } from '../errors.ts'
import type { Uki } from '../formats/pe/uki.ts'
import type { BootFile } from '../image/boot-file.ts'
import { type ChainRole, findBootChain, isChainRole, rolesOfChain } from './boot-chain.ts'
import { type LoadedFile, loadedFile } from './loaded-file.ts'
import type { BootChainName } from './prediction.ts'
import { parseShimBuild, type ShimBuild } from './shim/shim-build.ts'

export interface Boot {
  readonly chain: BootChainName
  /** In the order in which they are loaded. */
  readonly loads: readonly LoadedFile[]
  readonly shim: { readonly file: LoadedFile; readonly build: ShimBuild } | undefined
  readonly grub: LoadedFile | undefined
  readonly systemdBoot: LoadedFile | undefined
  readonly kernel: LoadedFile | undefined
  readonly uki: { readonly file: LoadedFile; readonly uki: Uki } | undefined
}

/** Reads one file; a caller with many boots of the same files gives one that remembers. */
export type LoadFile = (file: BootFile) => LoadedFile

/**
 * Throws BOOT_CHAIN_UNKNOWN for files that are no chain, ARCHITECTURE_NOT_SUPPORTED for files of different machines, PE_INVALID,
 * SIGNATURE_DIGEST_MISMATCH, SHIM_UNSUPPORTED, and as `parseUki`. Files of other roles are left aside.
 */
export function makeBoot(files: readonly BootFile[], load: LoadFile = loadedFile): Boot {
  const chain = findBootChain(files.map(file => file.role))
  const byRole = new Map<ChainRole, LoadedFile>()
  for (const file of files) if (isChainRole(file.role)) byRole.set(file.role, load(file))
  const loads = rolesOfChain[chain].flatMap(role => byRole.get(role) ?? [])
  checkOneMachine(loads)
  const shim = byRole.get('shim')
  const uki = byRole.get('uki')
  return {
    chain,
    loads,
    shim: shim === undefined ? undefined : { file: shim, build: parseShimBuild(shim.pe) },
    grub: byRole.get('grub'),
    systemdBoot: byRole.get('systemd-boot'),
    kernel: byRole.get('kernel'),
    uki: uki?.uki === undefined ? undefined : { file: uki, uki: uki.uki },
  }
}

function checkOneMachine(loads: readonly LoadedFile[]): void {
  const [first] = loads
  const other = loads.find(({ pe }) => pe.machine !== first?.pe.machine)
  if (first === undefined || other === undefined) return
  throw new ToolError('ARCHITECTURE_NOT_SUPPORTED', 'boot files are for different architectures', {
    found: `${other.file.path} for machine 0x${other.pe.machine.toString(16)}`,
    wanted: `machine 0x${first.pe.machine.toString(16)} as ${first.file.path}`,
    where: { source: other.file.path },
  })
}
