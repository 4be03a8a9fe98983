// The user's wishes, checked and typed, one shape per command. No secrets: all of these may be logged whole.

import type { Bank } from '../formats/bytes/digest.ts'
import type { ImageReference } from '../formats/oci/reference.ts'
import type { ImageLocation, PlatformSource, RpmKey, WholeImageLocation } from './values.ts'
import type { bootChainWords, bootFileWords, formatWords, phaseWords, trusteeShapeWords } from './words.ts'

export type Target = 'trusted-execution-clusters' | 'trustee'
export type TrusteeShape = 'list' | 'map'
export type CoveragePart = 'shim' | 'boot-loader' | 'kernel' | 'initramfs' | 'command-line'
export type BuilderChoice = 'auto' | 'podman' | 'buildah' | 'docker'

/** How registries are reached: part of all requests that read images. */
export interface RegistrySettings {
  readonly allowInsecure: boolean
  /** Path of a registries.conf; undefined: the user's or the system's. */
  readonly registriesConf?: string | undefined
  /** Path of a PEM file. */
  readonly caBundle?: string | undefined
}

/** Where layers that were read once are kept for the next run. */
export interface CacheSettings {
  readonly cache: boolean
  /** undefined: the user's cache directory. */
  readonly cacheDirectory: string | undefined
}

/** Where the base image is named. */
export type BaseFrom = 'reference' | 'release' | 'cluster' | 'lock'

/** Which base image: part of the requests of `update` and `check`. */
export interface BaseSettings {
  readonly baseFrom: BaseFrom
  /** There for base-from reference. */
  readonly baseImage: ImageReference | undefined
  /** There for base-from release. */
  readonly releaseImage: ImageReference | undefined
  /** Name of a stream of node images, or of a tag of the release. */
  readonly baseStream: string | undefined
  /** Repositories that the base may come from; undefined: any. */
  readonly baseRepositories: readonly { readonly registry: string; readonly repository: string }[] | undefined
  /** Release of the cluster, where the settings name it. */
  readonly clusterVersion: string | undefined
  readonly inCluster: boolean
}

/** Settings of `update`. */
export interface Settings extends RegistrySettings, CacheSettings, BaseSettings {
  /** ClusterVersion `spec.clusterID`. */
  readonly clusterId: string | undefined
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
  /** `latest`, a version, version-release, or comparisons. */
  readonly kernelVersion: string
  /** Base URLs without a trailing slash; `metalink=` and `mirrorlist=` before other URLs. */
  readonly kernelRepositories: readonly string[]
  /** Path of a PEM file: authorities of the repositories beside the usual ones. */
  readonly kernelRepositoryCa: string | undefined
  /** Days after which metadata is old enough for a warning. */
  readonly repositoryMaxAge: number
  readonly dist: string | undefined
  readonly extraPackages: readonly string[]
  readonly allowDowngrade: boolean
  /** Empty only with `allowUnsignedPackages`. */
  readonly rpmKeys: readonly RpmKey[]
  readonly allowUnsignedPackages: boolean
  readonly builder: BuilderChoice
  readonly imageRepository: { readonly registry: string; readonly repository: string }
  /** With `{kernel}`, `{base-short}`, `{change}`. */
  readonly imageTag: string
  /** An image that something else built: checked, predicted and proposed instead of a build. */
  readonly image: WholeImageLocation | undefined
  /** Path of the user's Containerfile; undefined: one that fits the base image. */
  readonly containerfile: string | undefined
  /** undefined: found from the files. */
  readonly bootChain: (typeof bootChainWords.now)[number] | undefined
  readonly requireCoverage: readonly CoveragePart[]
  /** undefined: assumed on, and the pull request says so. */
  readonly secureBoot: boolean | undefined
  readonly banks: readonly Bank[]
  readonly pcrLabel: 'auto' | 'never'
}

/** Settings of `check`: what it takes to compare the kernel and base image in use with the newest; `update` names the boot chain too. */
export type CheckSettings = Partial<Pick<Settings, 'bootChain'>> &
  Pick<
    Settings,
    | 'architecture'
    | 'directory'
    | 'gitopsRepository'
    | 'baseBranch'
    | 'valueLifetime'
    | 'pools'
    | keyof BaseSettings
    | 'kernelVersion'
    | 'kernelRepositories'
    | 'kernelRepositoryCa'
    | 'repositoryMaxAge'
    | 'dist'
    | 'extraPackages'
    | 'allowDowngrade'
    | 'allowInsecure'
    | 'registriesConf'
    | 'caBundle'
    | 'allowUnsignedPackages'
    | 'cache'
    | 'cacheDirectory'
  >

/** One `--boot-file ROLE=PATH`. */
export interface BootFilePath {
  readonly role: (typeof bootFileWords.now)[number]
  readonly path: string
}

/** Images, oldest first, or single boot files. */
export type BootFileSource =
  | { readonly kind: 'images'; readonly images: readonly ImageLocation[] }
  | { readonly kind: 'boot-files'; readonly files: readonly BootFilePath[] }

/** A GitOps directory whose records hold predictions. */
export interface RecordSource {
  readonly kind: 'records'
  readonly directory: string
}

/** The conditions of a prediction: `predict` and `explain`. */
export interface PredictionRequest extends RegistrySettings, CacheSettings {
  /** OCI architecture. */
  readonly architecture: 'amd64' | 'arm64'
  readonly platforms: readonly PlatformSource[]
  /** undefined: as the platform says; without one both states are predicted. */
  readonly secureBoot: boolean | undefined
  readonly banks: readonly Bank[]
  readonly phase: (typeof phaseWords.now)[number]
  /** undefined: found from the files. */
  readonly bootChain: (typeof bootChainWords.now)[number] | undefined
}

/** What `predict` is asked. */
export interface PredictOptions extends PredictionRequest {
  readonly source: BootFileSource
  readonly withMixes: boolean
  readonly mixes: {
    /** How many images apart boot loader and kernel may be. */
    readonly window: number | 'all'
    readonly rollback: boolean
    /** Most combinations that are computed. */
    readonly limit: number
  }
  readonly asOperator: boolean
  /** Read layers by their tables of contents. */
  readonly trustToc: boolean
  /** Path of a recorded event log of the platform. */
  readonly substitute: string | undefined
  readonly format: (typeof formatWords.now)[number]
  readonly trusteeShape: (typeof trusteeShapeWords.now)[number] | undefined
  /** Days that a value lives (format trustee). */
  readonly valueLifetime: number
}

/** What `explain` is asked. */
export interface ExplainOptions extends PredictionRequest {
  readonly source: BootFileSource | RecordSource
  /** Path of the event log. */
  readonly log: string
  /** Path of a file with PCR values that the TPM holds. */
  readonly pcrs: string | undefined
}

/** What `capture` is asked. */
export interface CaptureOptions {
  /** Path of the event log. */
  readonly log: string
  /** Directories. */
  readonly efivars: string
  readonly mokVariables: string | undefined
  readonly output: string
}

/** What `boot-files` is asked. */
export interface BootFilesOptions extends RegistrySettings, CacheSettings {
  /** OCI architecture. */
  readonly architecture: 'amd64' | 'arm64'
  readonly image: ImageLocation
  /** Directory to write the boot files to. */
  readonly extract: string | undefined
  /** Read layers by their tables of contents. */
  readonly trustToc: boolean
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
  readonly explain: ExplainOptions
  readonly capture: CaptureOptions
}
