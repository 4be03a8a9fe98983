// The closed word lists of the settings: what works now, and what the contract (interface §1) names besides.

import { banks } from '../formats/bytes/digest.ts'

export interface Words<Now extends string = string> {
  readonly now: readonly Now[]
  /** Words of the contract that have no effect in this version. */
  readonly later: readonly string[]
}

const words = <const Now extends string>(now: readonly Now[], later: readonly string[] = []): Words<Now> => ({
  now,
  later,
})

/** Commands and the letter that the table of settings uses for each; l, e and t are our own letters for the last three. */
export const commandLetters = {
  update: 'u',
  check: 'c',
  predict: 'p',
  'boot-files': 'f',
  verify: 'v',
  approve: 'a',
  status: 's',
  retire: 'r',
  rollback: 'b',
  watch: 'w',
  init: 'i',
  report: 'x',
  replay: 'l',
  explain: 'e',
  capture: 't',
} as const

export const commandWords = words(
  ['update', 'check', 'predict', 'boot-files', 'replay', 'explain', 'capture'],
  ['verify', 'approve', 'status', 'retire', 'rollback', 'watch', 'init', 'report'],
)
/** A command of this version. */
export type CommandName = (typeof commandWords.now)[number]

export const architectureWords = words(['amd64'], ['arm64', 'ppc64le', 's390x'])
/** Of commands that only read and predict. */
export const readArchitectureWords = words(['amd64', 'arm64'], ['ppc64le', 's390x'])
export const layoutWords = words(['auto', 'plain'], ['argocd', 'flux'])
export const targetWords = words(['trusted-execution-clusters', 'trustee'])
export const trusteeShapeWords = words(['list', 'map', 'tuples'])
/** Of commands that write a GitOps repository. */
export const writtenTrusteeShapeWords = words(['list', 'map'], ['tuples'])
export const rolloutWords = words(['one-pr'], ['two-step'])
export const gitopsRemoteWords = words(['github'], ['git'])
export const baseFromWords = words(['reference', 'release', 'cluster', 'lock'])
export const builderWords = words(['auto', 'podman', 'buildah', 'docker'])
export const pcrLabelWords = words(['auto', 'never'])
export const coverageWords = words(['shim', 'boot-loader', 'kernel', 'initramfs', 'command-line'])
export const secureBootWords = words(['on', 'off'])
export const bankWords = words(banks)
export const formatWords = words(['table', 'json', 'compute-pcrs', 'trustee', 'pcrlock', 'keylime'])
export const autoMergeWords = words([], ['off', 'merge', 'squash', 'rebase'])
export const phaseWords = words(['enter-initrd', 'none'])
export const bootLoaderUpdateWords = words([], ['automatic', 'manual'])
export const bootChainWords = words([
  'shim-grub-linux',
  'grub-linux',
  'uki',
  'shim-uki',
  'systemd-boot-uki',
  'systemd-boot-linux',
  'shim-systemd-boot-uki',
])
/** Roles of `--boot-file`. */
export const bootFileWords = words(['shim', 'grub', 'kernel', 'systemd-boot', 'uki'])
