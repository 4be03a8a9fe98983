// The files of one boot chain out of all that an image has (interface §2, "Found from an image").

import { ToolError } from '../errors.ts'
import type { bootChainWords } from '../settings/words.ts'
import type { BootFile, BootFileRole } from './boot-file.ts'
import type { FoundBootFiles } from './boot-files.ts'
import { bootupdDirectory, efiDirectory, modulesDirectory } from './places.ts'

export type BootChainWord = (typeof bootChainWords.now)[number]

const rolesOf: Readonly<Record<BootChainWord, readonly BootFileRole[]>> = {
  'shim-grub-linux': ['shim', 'grub', 'kernel'],
  'grub-linux': ['grub', 'kernel'],
  uki: ['uki'],
  'shim-uki': ['shim', 'uki'],
  'systemd-boot-uki': ['systemd-boot', 'uki'],
  'systemd-boot-linux': ['systemd-boot', 'kernel'],
  'shim-systemd-boot-uki': ['shim', 'systemd-boot', 'uki'],
}

export interface ChainFiles {
  /** undefined: which one it is, is not clear, and `problems` says so. */
  readonly bootChain: BootChainWord | undefined
  /** The chain's files, each role once, and those that belong to them: initramfs, MokManager, fallback, os-release. */
  readonly files: readonly BootFile[]
  /** Name of the one kernel's directory below usr/lib/modules; null when there is not exactly one. */
  readonly kernelRelease: string | null
  /** What keeps the chain from being predicted, all together. */
  readonly problems: readonly ToolError[]
}

/** The files of the chain that is named, or else of the only one that the image can boot. Throws nothing. */
export function filesForChain(found: FoundBootFiles, wanted?: BootChainWord): ChainFiles {
  const roles = new Set(found.files.map(file => file.role))
  const bootChain = wanted ?? onlyChain(roles)
  const kernelRelease = found.kernels.length === 1 ? (found.kernels[0] ?? null) : null
  if (bootChain === undefined) return { bootChain, files: [], kernelRelease, problems: [unclear(found)] }
  const chain = rolesOf[bootChain]
  const problems: ToolError[] = []
  for (const role of chain) {
    const paths = pathsOf(found, role)
    if (role === 'kernel' || role === 'uki') problems.push(...kernelProblems(found, role, paths, wanted !== undefined))
    else if (paths.length === 0) problems.push(missing(found, role))
    else if (paths.length > 1) problems.push(several(found, role, paths))
  }
  const companions = chain.includes('kernel') ? (['initramfs'] as const) : []
  const ofShim = chain.includes('shim') ? (['mok-manager', 'fallback'] as const) : []
  for (const role of ofShim) {
    const paths = pathsOf(found, role)
    if (paths.length > 1) problems.push(several(found, role, paths))
  }
  if (chain.includes('uki') && found.companions.length > 0) problems.push(withCompanions(found))
  problems.push(...otherCopies(found, chain, wanted !== undefined))
  const belonging: readonly BootFileRole[] = [...chain, ...companions, ...ofShim, 'os-release']
  const files = found.files.filter(({ role }) => belonging.includes(role) && pathsOf(found, role).length === 1)
  return { bootChain, files, kernelRelease, problems }
}

/**
 * Copies in EFI/BOOT that are not byte for byte what the chain loads: a machine without a boot entry starts them, and measures others than one with it.
 * Packages bring the same bytes twice (shim's Makefile, Fedora's shim.spec). A chain that is named and has no shim may begin elsewhere than they do.
 */
function otherCopies(found: FoundBootFiles, chain: readonly BootFileRole[], named: boolean): ToolError[] {
  const filesOf = (role: BootFileRole) => found.files.filter(file => file.role === role)
  return found.removable.flatMap(({ role, path, bytes }) => {
    if (role !== null && !chain.includes(role)) return []
    const originals = role === null ? chain.slice(0, 1).flatMap(filesOf) : filesOf(role)
    const allowed = role === null && named && chain[0] !== 'shim' ? found.files : originals
    const [original, ...others] = originals
    if (original === undefined || others.length > 0) return []
    if (allowed.some(file => Buffer.from(file.bytes).equals(bytes))) return []
    return [
      new ToolError('BOOT_LOADER_NOT_UNIQUE', 'the image has two different files for one start', {
        found: `${original.path}, ${path}`,
        wanted: 'the same bytes in both: firmware starts EFI/BOOT when no boot entry names another file',
        where: { source: found.source, path },
      }),
    ]
  })
}

/** Shim and GRUB without a UKI, or a UKI without GRUB; where nothing is there, what is missing of the first. */
function onlyChain(roles: ReadonlySet<BootFileRole>): BootChainWord | undefined {
  if (!roles.has('uki'))
    return roles.has('systemd-boot') && !(roles.has('shim') && roles.has('grub')) ? undefined : 'shim-grub-linux'
  if (roles.has('grub') || (roles.has('shim') && roles.has('systemd-boot'))) return undefined
  if (roles.has('shim')) return 'shim-uki'
  return roles.has('systemd-boot') ? 'systemd-boot-uki' : 'uki'
}

const pathsOf = (found: FoundBootFiles, role: BootFileRole): string[] =>
  found.files.filter(file => file.role === role).map(file => file.path)

function kernelProblems(
  found: FoundBootFiles,
  role: 'kernel' | 'uki',
  paths: readonly string[],
  named: boolean,
): ToolError[] {
  const where = { source: found.source, path: modulesDirectory }
  const kernels = role === 'uki' ? paths : found.kernels
  if (paths.length === 0) {
    const wanted = role === 'uki' ? 'one unified kernel image' : `one ${modulesDirectory}/<release>/vmlinuz`
    return [
      new ToolError('KERNEL_MISSING', 'the image has no kernel', {
        found: 'none',
        wanted,
        where: { source: found.source },
      }),
    ]
  }
  // a chain that is named chooses between a UKI and other kernels, never between two of one kind
  const count = named || role === 'uki' ? paths.length : found.kernels.length
  const others = role === 'uki' && !named ? found.kernels.length : 0
  if (count <= 1 && others <= 1) return []
  const list = count > 1 ? kernels : found.kernels
  return [
    new ToolError('KERNEL_NOT_UNIQUE', 'the image has several kernels', {
      found: list.join(', '),
      wanted: 'one',
      where,
    }),
  ]
}

function missing({ source }: FoundBootFiles, role: BootFileRole): ToolError {
  return new ToolError('BOOT_LOADER_MISSING', `the image has no ${role}`, {
    found: 'none',
    wanted: `${efiDirectory} or ${bootupdDirectory}`,
    where: { source },
  })
}

function several({ source }: FoundBootFiles, role: BootFileRole, paths: readonly string[]): ToolError {
  return new ToolError('BOOT_LOADER_NOT_UNIQUE', `the image has several files for ${role}`, {
    found: paths.join(', '),
    wanted: 'one',
    where: { source },
  })
}

function unclear(found: FoundBootFiles): ToolError {
  const deciding: readonly BootFileRole[] = ['shim', 'grub', 'systemd-boot', 'uki', 'kernel']
  const list = found.files.filter(({ role }) => deciding.includes(role)).map(({ role, path }) => `${role} ${path}`)
  return new ToolError('BOOT_CHAIN_UNCLEAR', 'it is not clear which boot chain the image boots', {
    found: list.join(', '),
    wanted: 'shim and GRUB without a unified kernel image, or one without GRUB',
    where: { source: found.source },
    hint: `name it with boot-chain: ${Object.keys(rolesOf).join(', ')}`,
  })
}

function withCompanions(found: FoundBootFiles): ToolError {
  return new ToolError(
    'UKI_NOT_PREDICTED',
    'the image has files that the stub loads besides the unified kernel image',
    {
      found: found.companions.join(', '),
      wanted: 'no add-ons, credentials and extensions: they are measured as the stub packs them',
      where: { source: found.source },
    },
  )
}
