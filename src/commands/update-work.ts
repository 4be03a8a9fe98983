// What `update` knows as it goes: first base and kernel, then what is to be proposed.

import type { Log } from '../edge/log.ts'
import type { RegistryClient } from '../edge/registry.ts'
import type { Environment } from '../edge/surroundings.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { KernelChoice } from '../kernel/choose-kernel.ts'
import type { LayeringPlan } from '../layering/layering-plan.ts'
import type { Decision, Situation } from '../propose/outcome.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { Settings } from '../settings/settings.ts'
import type { Base } from './base-kernel.ts'
import type { GitOpsTree } from './gitops.ts'
import type { RepositoryAccess } from './repository-access.ts'
import type { Known } from './update-result.ts'

/** What is known when base and kernel stand. */
export interface Facts {
  readonly settings: Settings
  readonly environment: Environment
  readonly credentials: Credentials
  readonly log: Log
  readonly registry: RegistryClient
  readonly gitops: GitOpsTree
  readonly situation: Situation
  readonly base: Base
  /** To the kernel repositories. */
  readonly access: RepositoryAccess
  readonly choice: KernelChoice
}

/** How the image comes to be. */
export type Making =
  | { readonly kind: 'build'; readonly plan: LayeringPlan; readonly containerfile: string }
  /** Something else built it. */
  | { readonly kind: 'given'; readonly image: ImageSource }
  /** The base image as it is: its kernel is the newest. */
  | { readonly kind: 'base' }

/** What is known when it stands that there is something to do. */
export interface Work extends Facts {
  readonly branch: string
  readonly key: string
  readonly making: Making
  readonly decision: Decision
}

/** What every outcome tells. A base image has its own kernel. */
export function known({ base, choice, branch, key, making }: Work): Known {
  return { base: base.pinned, kernel: making.kind === 'base' ? base.kernel : choice.kernel, branch, key }
}
