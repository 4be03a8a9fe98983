// What a container build is asked for and what it gives, whichever program builds.

import type { PinnedReference } from '../../formats/oci/reference.ts'
import type { OutputWriter } from './command.ts'
import type { BuildNetwork, Isolation } from './confinement.ts'
import type { PullAccess } from './pull-access.ts'

export type BuilderName = 'podman' | 'buildah' | 'docker'

/** A container builder that can be started. */
export interface Builder {
  readonly name: BuilderName
  readonly version: string
}

export interface BuildRequest {
  /** What may be used, best first; the first that can run a command in the base image builds. */
  readonly builders: readonly Builder[]
  readonly base: PinnedReference
  /** Build context; the Containerfile's bind mounts come from here. */
  readonly contextDirectory: string
  /** Text of the Containerfile. */
  readonly containerfile: string
  /** Given to the Containerfile beside BASE (the pinned base) and SOURCE_DATE_EPOCH (where there is one). */
  readonly buildArguments?: Readonly<Record<string, string>>
  /** Gets the image as an OCI layout; must not exist or be empty. */
  readonly layoutDirectory: string
  /** An existing directory for storage and temporary files; what the build puts there is removed again. Its path has no colon. */
  readonly workDirectory: string
  /** The registry of the base was found to have no https and is allowed: a pull that fails is no reason to go without TLS. */
  readonly insecureRegistry: boolean
  /** How to reach the registry where it is not as the builder does by itself. */
  readonly access?: PullAccess
  /** Times in image and layer, in seconds since 1970; undefined leaves them as they come. */
  readonly sourceDateEpoch: number | undefined
  /** The variables of this process; the builder sees only what `cleanEnvironment` lets through. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly write: OutputWriter
}

export interface BuildResult {
  readonly builder: BuilderName
  readonly version: string
  readonly isolation: Isolation
  /** host: no way without network worked on this machine. Log and pull request say so. */
  readonly network: BuildNetwork
  /** The builder's name for the image. Not a digest that a registry knows (D1). */
  readonly localImageId: string
  /** How the build was less apart from this machine than it should be; for the log. */
  readonly warnings: readonly string[]
}

/** `--build-arg` for all of them, sorted by name. */
export function buildArguments(request: BuildRequest, base: string): string[] {
  const { sourceDateEpoch } = request
  const all = {
    ...request.buildArguments,
    ...(sourceDateEpoch === undefined ? {} : { SOURCE_DATE_EPOCH: `${sourceDateEpoch}` }),
    BASE: base,
  }
  return Object.entries(all)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `--build-arg=${name}=${value}`)
}
