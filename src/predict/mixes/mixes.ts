// Every mix of old and new boot loader and kernel that nodes can be in, each predicted anew from its files (design D4, D11).

import { ToolError, ToolErrors } from '../../errors.ts'
import type { BootFileRole } from '../../image/boot-file.ts'
import type { Platform } from '../platform/platform.ts'
import type { Prediction } from '../prediction.ts'
import { canGoBack, type MixPair, type MixPolicy, type MixWay, reachablePairs, wayInWords } from './pairs.ts'
import { type LevelSource, type MixState, type MokState, statesOf, unknownLevel } from './states.ts'
import { type Mix, type MixResult, mixesOf } from './values.ts'

/** What of an image a mix takes whole. `key` is the same for the same contents, whatever the image. */
export interface MixPart<File> {
  readonly key: string
  readonly files: readonly File[]
}

export interface MixImage<File> {
  /** Pinned digest, or a name; an image that is named again does not count. */
  readonly digest: string
  readonly bootLoader: MixPart<File>
  readonly kernel: MixPart<File>
}

export interface MixesToPredict<File> {
  /** Oldest first. */
  readonly history: readonly MixImage<File>[]
  readonly policy: MixPolicy
  /** Most different boots that are computed. */
  readonly limit: number
  /** Only boots that this image, the new one of a proposal, has a part in, or has left its SBAT level to. undefined: all. */
  readonly involving?: string
  /** Empty: without a profile. */
  readonly platforms: readonly Platform[]
  /** MOK states beside that of each profile. */
  readonly mokStates?: readonly MokState[]
  /** The SBAT level that shim measures when this boot loader starts there; undefined for a boot without shim. `on`: Secure Boot, undefined: as the platform says. */
  readonly sbatLevel: (bootLoader: readonly File[], platform: Platform, on?: boolean) => string | undefined
  /** Predicts one boot on one machine. It must not ask for coverage. */
  readonly predict: (files: readonly File[], platform: Platform | null) => readonly Prediction[]
}

/** A mix that has no value, because it does not boot or because it is not known how it does. */
export interface SkippedMix {
  readonly platform: string | null
  readonly bootLoader: string
  readonly kernel: string
  /** `kernel-ahead`: nodes on their way to a newer image come here, and would stay. */
  readonly way: MixWay
  readonly mok: string
  readonly sbatLevel: string
  readonly code: string
  readonly because: string
}

export interface PredictedMixes {
  readonly mixes: readonly Mix[]
  readonly skipped: readonly SkippedMix[]
}

interface Boot<File> {
  readonly pair: MixPair
  readonly bootLoader: MixImage<File>
  readonly kernel: MixImage<File>
  readonly state: MixState
  /** The same for boots that cannot differ. */
  readonly key: string
}

/** Roles that bootupd takes to the EFI system partition, and those that change with the deployment. */
const bootLoaderRoles: readonly BootFileRole[] = ['shim', 'grub', 'systemd-boot', 'mok-manager', 'fallback']
const kernelRoles: readonly BootFileRole[] = ['kernel', 'initramfs', 'uki']

/** Divides the files of an image. `digestOf` names the contents of a file. */
export function mixImage<File extends { readonly role: BootFileRole }>(
  digest: string,
  files: readonly File[],
  digestOf: (file: File) => string,
): MixImage<File> {
  const part = (roles: readonly BootFileRole[]): MixPart<File> => {
    const own = files.filter(({ role }) => roles.includes(role))
    const names = own.map(file => `${file.role} ${digestOf(file)}`)
    return { key: names.sort().join('\n'), files: own }
  }
  return { digest, bootLoader: part(bootLoaderRoles), kernel: part(kernelRoles) }
}

/**
 * Predicts all reachable mixes. A boot loader and a kernel that several images share are computed once and named for each.
 * Throws MIX_LIMIT before anything is computed, and what `predict` throws for an image by itself in the state of a profile.
 * A refusal of any other mix makes it `skipped`.
 */
export function predictMixes<File>(wanted: MixesToPredict<File>): PredictedMixes {
  const boots = bootsOf(wanted)
  const keys = new Set(boots.map(({ key }) => key))
  if (keys.size > wanted.limit)
    throw new ToolError('MIX_LIMIT', 'more mixes of boot loader and kernel than mix-limit allows', {
      found: `${keys.size} different boots, from ${wanted.history.length} images and ${wanted.platforms.length} platforms`,
      wanted: `at most ${wanted.limit}`,
    })
  const outcomes = new Map<string, readonly Prediction[] | ToolError>()
  const results: MixResult[] = []
  const skipped: SkippedMix[] = []
  for (const boot of [...boots].sort((a, b) => Number(isWhole(b)) - Number(isWhole(a)))) {
    const outcome = outcomes.get(boot.key) ?? outcomeOf(boot, wanted)
    outcomes.set(boot.key, outcome)
    if (outcome instanceof ToolError) skipped.push(skippedMix(boot, outcome))
    else results.push(...resultsOf(boot, outcome, wanted))
  }
  return { mixes: mixesOf(results), skipped }
}

function bootsOf<File>(wanted: MixesToPredict<File>): readonly Boot<File>[] {
  const known = new Set<string>()
  const history = wanted.history.filter(({ digest }) => !known.has(digest) && known.add(digest))
  const pairs = reachablePairs(history.length, wanted.policy).flatMap(pair => {
    const [bootLoader, kernel] = [history[pair.bootLoader], history[pair.kernel]]
    return bootLoader === undefined || kernel === undefined ? [] : [{ pair, bootLoader, kernel }]
  })
  const source = ({ digest, bootLoader }: MixImage<File>): LevelSource => ({
    digest,
    level: platform => wanted.sbatLevel(bootLoader.files, platform),
  })
  const platforms = wanted.platforms.length === 0 ? [null] : wanted.platforms
  const states = history.map((image, at) => {
    const before = history.filter((_, index) => index < at || canGoBack(index, at, wanted.policy)).map(source)
    return platforms.flatMap((platform, index) =>
      statesOf(platform, wanted.mokStates ?? [], source(image), before).map(state => ({ state, platform: index })),
    )
  })
  const boots = pairs.filter(isMix).flatMap(({ pair, bootLoader, kernel }) =>
    (states[pair.bootLoader] ?? []).map(({ state, platform }) => {
      const { mok, sbatLevel = null } = state
      const key = JSON.stringify([bootLoader.bootLoader.key, kernel.kernel.key, platform, mok, sbatLevel])
      return { pair, bootLoader, kernel, state, key }
    }),
  )
  const { involving } = wanted
  if (involving === undefined) return boots
  return boots.filter(({ bootLoader, kernel, state }) =>
    [bootLoader.digest, kernel.digest, state.levelFrom].includes(involving),
  )
}

/** Two images without a boot loader of their own have nothing to mix: the firmware starts the newest unified kernel image. */
function isMix<File>({ pair, bootLoader, kernel }: Pick<Boot<File>, 'pair' | 'bootLoader' | 'kernel'>): boolean {
  const count = bootLoader.bootLoader.files.length + kernel.bootLoader.files.length
  return pair.way === 'one-image' || count > 0
}

/** An image by itself, in the state that the profile shows: what D14 refuses is refused for good. */
function isWhole<File>({ pair, state }: Boot<File>): boolean {
  return pair.way === 'one-image' && state.isProfile
}

function outcomeOf<File>(boot: Boot<File>, { predict }: MixesToPredict<File>): readonly Prediction[] | ToolError {
  try {
    return predict([...boot.bootLoader.bootLoader.files, ...boot.kernel.kernel.files], boot.state.platform)
  } catch (error) {
    const [first, ...others] = error instanceof ToolErrors ? error.errors : [error]
    if (isWhole(boot) || ![first, ...others].every(isRefusal) || !(first instanceof ToolError)) throw error
    return first
  }
}

/** What a node in that state meets; a file that cannot be read, or a fault of ours, is none. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof ToolError) || error.code === 'KERNEL_NOT_COVERED') return false
  return error.kind === 'refused' || error.code === 'BOOT_CHAIN_UNKNOWN' || error.code === 'SETTING_NOT_SUPPORTED'
}

function resultsOf<File>(
  boot: Boot<File>,
  predictions: readonly Prediction[],
  { policy, sbatLevel }: MixesToPredict<File>,
): MixResult[] {
  const { pair, state } = boot
  const { files } = boot.bootLoader.bootLoader
  return predictions.flatMap(({ platform, secureBoot, pcrs }) => {
    // without Secure Boot shim may set another level than the one that tells the states apart
    const level = state.platform === null ? undefined : sbatLevel(files, state.platform, secureBoot)
    return Object.entries(pcrs).map(([pcr, value]) => ({
      platform,
      secureBoot,
      pcr: Number(pcr),
      value,
      bootLoader: boot.bootLoader.digest,
      kernel: boot.kernel.digest,
      mok: state.mok,
      sbatLevel: level,
      because: wayInWords(pair.way, policy),
      levelBecause: level === state.sbatLevel ? state.levelBecause : undefined,
    }))
  })
}

function skippedMix<File>({ pair, bootLoader, kernel, state }: Boot<File>, error: ToolError): SkippedMix {
  return {
    platform: state.platform?.name ?? null,
    bootLoader: bootLoader.digest,
    kernel: kernel.digest,
    way: pair.way,
    mok: state.mok,
    sbatLevel: state.sbatLevel ?? unknownLevel,
    code: error.code,
    because: error.found === undefined ? error.message : `${error.message}: ${error.found}`,
  }
}
