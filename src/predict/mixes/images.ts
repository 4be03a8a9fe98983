// Mixes of images: each boot file is read and hashed once, each mix predicted from the files in it.

import { ToolError } from '../../errors.ts'
import { sha256Hex } from '../../formats/bytes/digest.ts'
import type { VendorCert } from '../../formats/shim/vendor-cert.ts'
import type { BootFile } from '../../image/boot-file.ts'
import { makeBoot } from '../boot.ts'
import { type LoadedFile, loadedFile } from '../loaded-file.ts'
import type { Platform } from '../platform/platform.ts'
import { secureBootStates } from '../platform/secure-boot-state.ts'
import { type ImageToPredict, predictBoot } from '../predict-image.ts'
import { measuredSbatLevel, shimSbatFacts } from '../shim/sbat-level.ts'
import { parseShimBuild } from '../shim/shim-build.ts'
import { type MixesToPredict, mixImage, type PredictedMixes, predictMixes } from './mixes.ts'

export interface ImageOfHistory {
  /** Pinned digest, or a name. */
  readonly digest: string
  readonly files: readonly BootFile[]
}

/** What a mix is asked, and the conditions of its predictions. */
export interface ImageMixesToPredict
  extends Pick<MixesToPredict<BootFile>, 'policy' | 'limit' | 'involving' | 'mokStates'>,
    Pick<ImageToPredict, 'secureBoot' | 'banks' | 'phase'> {
  /** Oldest first. */
  readonly history: readonly ImageOfHistory[]
  /** Empty: without a profile. */
  readonly platforms: readonly Platform[]
  /** Vendor parts of shims beside those of the history. */
  readonly otherShims?: readonly VendorCert[]
}

/** Throws as `predictMixes` and, for an image by itself, as `makeBoot` and `predictBoot`. */
export function predictImageMixes(wanted: ImageMixesToPredict): PredictedMixes {
  const { history, otherShims = [], secureBoot, banks, phase = 'enter-initrd' } = wanted
  const { load, digestOf } = readingOnce()
  const shims = new Map(history.flatMap(({ files }) => shimOf(files)).map(file => [digestOf(file), load(file)]))
  const builds = new Map([...shims].map(([digest, { pe }]) => [digest, parseShimBuild(pe)]))
  const facts = new Map(
    [...builds].flatMap(([digest, { version }]) => {
      const shim = shims.get(digest)
      return shim === undefined ? [] : [[digest, shimSbatFacts(shim.pe, version)]]
    }),
  )
  const vendors = [...otherShims, ...[...builds.values()].map(({ vendor }) => vendor)]
  return predictMixes({
    ...wanted,
    history: history.map(({ digest, files }) => mixImage(digest, files, digestOf)),
    sbatLevel: (files, platform, on = secureBoot) => {
      const own = shimOf(files).flatMap(file => facts.get(digestOf(file)) ?? [])[0]
      const [state] = secureBootStates(platform, on)
      if (own === undefined || state === undefined) return undefined
      return levelOrNone(() => measuredSbatLevel(own, state.variable === 1, platform.sbatLevel).level)
    },
    predict: (files, platform) => {
      const boot = makeBoot(files, load)
      return secureBootStates(platform, secureBoot).map(state =>
        predictBoot(boot, { platform, state, phase, otherShims: vendors, banks }),
      )
    },
  })
}

/** The prediction itself refuses a shim whose level matters and cannot be told. */
function levelOrNone(level: () => string): string | undefined {
  try {
    return level()
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

function shimOf(files: readonly BootFile[]): readonly BootFile[] {
  return files.filter(({ role }) => role === 'shim')
}

/** Files with the same contents are read once, those of several images too. */
function readingOnce() {
  const digests = new Map<BootFile, string>()
  const loaded = new Map<string, LoadedFile>()
  const digestOf = (file: BootFile): string => {
    const digest = digests.get(file) ?? file.known?.sha256 ?? sha256Hex(file.bytes)
    digests.set(file, digest)
    return digest
  }
  const load = (file: BootFile): LoadedFile => {
    const key = `${file.role} ${digestOf(file)}`
    const read = loaded.get(key) ?? loadedFile(file)
    loaded.set(key, read)
    return read
  }
  return { digestOf, load }
}
