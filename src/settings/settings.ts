// The user's wishes, checked and typed, one shape per command. No secrets: all of these may be logged whole.

import type { Bank } from '../formats/bytes/digest.ts'
import type { ImageReference } from '../formats/oci/reference.ts'
import type { ImageLocation } from './values.ts'
import type { bootFileWords, formatWords } from './words.ts'

export type Target = 'trusted-execution-clusters' | 'trustee'
export type TrusteeShape = 'list' | 'map'
export type CoveragePart = 'shim' | 'boot-loader' | 'kernel' | 'initramfs' | 'command-line'
export type BuilderChoice = 'auto' | 'podman' | 'buildah'

/** Settings of `update`. */
export interface Settings {
  readonly dryRun: boolean
  /** OCI architecture. */
  readonly architecture: 'amd64'
  /** Directory of this cluster in the GitOps repository, without leading or trailing slash; '' is the top. */
  readonly directory: string
  readonly gitopsRepository: { readonly owner: string; readonly name: string } | undefined
  /** undefined: the repository's default branch. */
  readonly baseBranch: string | undefined
  readonly layout: 'auto' | 'plain'
  readonly target: readonly Target[]
  readonly trusteeShape: TrusteeShape | undefined
  /** Days that a reference value lives (target trustee). */
  readonly valueLifetime: number
  readonly namespace: string
  readonly pools: readonly string[]
  /** With `{pool}`. */
  readonly machineConfigName: string
  readonly baseImage: ImageReference
  /** `latest`, a version, version-release, or comparisons. */
  readonly kernelVersion: string
  /** Base URLs without a trailing slash. */
  readonly kernelRepositories: readonly string[]
  readonly dist: string | undefined
  readonly extraPackages: readonly string[]
  readonly allowDowngrade: boolean
  readonly allowInsecure: boolean
  readonly allowUnsignedPackages: boolean
  readonly builder: BuilderChoice
  readonly imageRepository: { readonly registry: string; readonly repository: string }
  /** With `{kernel}`, `{base-short}`, `{change}`. */
  readonly imageTag: string
  /** An OCI layout that something else built: checked, predicted and proposed instead of a build. */
  readonly image: { readonly directory: string; readonly tag: string | undefined } | undefined
  readonly requireCoverage: readonly CoveragePart[]
  /** undefined: assumed on, and the pull request says so. */
  readonly secureBoot: boolean | undefined
  readonly banks: readonly Bank[]
}

/** Settings of `check`: what it takes to compare the kernel and base image in use with the newest. */
export type CheckSettings = Pick<
  Settings,
  | 'architecture'
  | 'directory'
  | 'gitopsRepository'
  | 'baseBranch'
  | 'valueLifetime'
  | 'pools'
  | 'baseImage'
  | 'kernelVersion'
  | 'kernelRepositories'
  | 'dist'
  | 'extraPackages'
  | 'allowDowngrade'
  | 'allowInsecure'
  | 'allowUnsignedPackages'
>

/** One `--boot-file ROLE=PATH`. */
export interface BootFilePath {
  readonly role: (typeof bootFileWords.now)[number]
  readonly path: string
}

/** What `predict` is asked. */
export interface PredictOptions {
  /** OCI architecture. */
  readonly architecture: 'amd64'
  readonly source:
    | { readonly kind: 'image'; readonly image: ImageLocation }
    | { readonly kind: 'boot-files'; readonly files: readonly BootFilePath[] }
  /** undefined: both states are predicted. */
  readonly secureBoot: boolean | undefined
  readonly banks: readonly Bank[]
  readonly allowInsecure: boolean
  readonly format: (typeof formatWords.now)[number]
}

/** What `boot-files` is asked. */
export interface BootFilesOptions {
  /** OCI architecture. */
  readonly architecture: 'amd64'
  readonly image: ImageLocation
  readonly allowInsecure: boolean
  /** Directory to write the boot files to. */
  readonly extract: string | undefined
}

/** What `replay` is asked. */
export interface ReplayOptions {
  /** Path of the event log. */
  readonly log: string
  readonly banks: readonly Bank[]
  /** Path of a file with PCR values to compare with. */
  readonly pcrs: string | undefined
}

/** The request of each command of this version. */
export interface CommandRequests {
  readonly update: Settings
  readonly check: CheckSettings
  readonly predict: PredictOptions
  readonly 'boot-files': BootFilesOptions
  readonly replay: ReplayOptions
}
