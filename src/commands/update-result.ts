// How a run of `update` ends: outputs, documents and text for each outcome.

import type { ProposalResult } from '../edge/github.ts'
import { formatPinnedReference, type PinnedReference } from '../formats/oci/reference.ts'
import { type Evr, formatEvr } from '../formats/rpm/version.ts'
import { type ImageContents, imageFacts } from '../image/image-contents.ts'
import type { ImagePrediction } from '../predict/predict-image.ts'
import type { Decision, PullRequestSeen } from '../propose/outcome.ts'
import type { PullRequestText } from '../propose/pull-request.ts'
import type { OutputName } from '../settings/outputs.ts'
import type { CommandResult } from './command.ts'

export type Outputs = Readonly<Partial<Record<OutputName, string>>>

/** What every outcome can tell. */
export interface Known {
  readonly base: PinnedReference
  readonly kernel: { readonly evr: Evr; readonly arch: string }
  readonly branch: string
  readonly key: string
}

export interface MadeImage {
  readonly pinned: PinnedReference
  readonly contents: ImageContents
  readonly prediction: ImagePrediction
}

const sentences: Readonly<Record<Decision['outcome'], string>> = {
  created: 'created: a new pull request',
  updated: 'updated: a new commit for the open pull request',
  unchanged: 'unchanged: the same change is already proposed or merged; nothing was built or written',
  rejected:
    'rejected: a pull request with the same change was closed without being merged; nothing was built or written',
}

/** A pull request was made or changed. */
export function proposed(
  known: Known,
  outcome: 'created' | 'updated',
  image: MadeImage,
  { commit, commitVerified, pullRequest }: ProposalResult,
  text: PullRequestText,
): CommandResult {
  return {
    outputs: {
      ...outputsOf(known, outcome),
      ...imageOutputs(image),
      commit,
      ...(commitVerified === null ? {} : { 'commit-verified': String(commitVerified) }),
      'pull-request-number': String(pullRequest.number),
      'pull-request-url': pullRequest.url,
    },
    predictions: predictionsOf(image),
    text: [sentences[outcome], text.title, pullRequest.url].join('\n'),
    summary: text.body,
    exitCode: 0,
  }
}

/** The same key is there already: nothing was built. */
export function nothingToSay(known: Known, decision: Decision, image: string | undefined): CommandResult {
  const { outcome, pullRequest } = decision
  return {
    outputs: {
      ...outputsOf(known, outcome),
      'update-available': String(outcome === 'rejected' || pullRequest !== undefined),
      ...(image === undefined ? {} : { image }),
      ...pullRequestOutputs(pullRequest),
    },
    text: [sentences[outcome], ...(pullRequest === undefined ? [] : [pullRequest.url])].join('\n'),
    exitCode: 0,
  }
}

/** There is no kernel that may be proposed; `why` is a sentence. */
export function noKernel(
  { base, kernel }: Pick<Known, 'base' | 'kernel'>,
  why: string,
  updateAvailable: boolean,
  open: PullRequestSeen | undefined,
): CommandResult {
  return {
    outputs: {
      outcome: 'unchanged',
      'update-available': String(updateAvailable),
      'base-image': formatPinnedReference(base),
      'kernel-version': `${formatEvr(kernel.evr)}.${kernel.arch}`,
      ...pullRequestOutputs(open),
    },
    text: `unchanged: ${why}`,
    exitCode: 0,
  }
}

/** What every outcome sets. */
export function outputsOf({ base, kernel, branch, key }: Known, outcome: string): Outputs {
  return {
    outcome,
    'update-available': 'true',
    'base-image': formatPinnedReference(base),
    'kernel-version': `${formatEvr(kernel.evr)}.${kernel.arch}`,
    'change-key': key,
    branch,
  }
}

export function imageOutputs({ pinned }: MadeImage): Outputs {
  return { image: formatPinnedReference(pinned), digest: pinned.digest }
}

function pullRequestOutputs(pullRequest: PullRequestSeen | undefined): Outputs {
  return pullRequest === undefined
    ? {}
    : { 'pull-request-number': String(pullRequest.number), 'pull-request-url': pullRequest.url }
}

/** The document behind the output `predictions`. */
export function predictionsOf({ pinned, contents, prediction }: MadeImage): unknown {
  return {
    schemaVersion: 1,
    image: { ...imageFacts(contents), source: formatPinnedReference(pinned), digest: pinned.digest },
    bootFiles: prediction.bootFiles,
    predictions: prediction.predictions,
  }
}
