// The user's wishes, checked and typed. No secrets: Settings may be logged whole.

import type { Bank } from '../formats/bytes/digest.ts'
import type { ImageReference } from '../formats/oci/reference.ts'

export type Target = 'trusted-execution-clusters' | 'trustee'
export type TrusteeShape = 'list' | 'map'
export type CoveragePart = 'shim' | 'boot-loader' | 'kernel' | 'initramfs' | 'command-line'
export type BuilderChoice = 'auto' | 'podman' | 'buildah'

/** Settings of `update` and `check`; fields that only `update` reads say so. */
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
  readonly requireCoverage: readonly CoveragePart[]
  /** undefined: assumed on, and the pull request says so. */
  readonly secureBoot: boolean | undefined
  readonly banks: readonly Bank[]
}
