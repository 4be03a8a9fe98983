// How a run of `update` ends: outputs, documents and text for each outcome.

import type { ProposalResult } from '../edge/github.ts'
import type { ToolError } from '../errors.ts'
import { formatPinnedReference, type PinnedReference } from '../formats/oci/reference.ts'
import { type Evr, formatEvr } from '../formats/rpm/version.ts'
import { type ImageContents, imageFacts } from '../image/image-contents.ts'
import type { ImagePrediction } from '../predict/predict-image.ts'
import type { Decision, PullRequestSeen } from '../propose/outcome.ts'
import type { PullRequestText } from '../propose/pull-request.ts'
import type { RepositoryChange } from '../propose/repository-change.ts'
import type { OutputName } from '../settings/outputs.ts'
import type { CommandResult } from './command.ts'

type Outputs = Readonly<Partial<Record<OutputName, string>>>

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

/** The tree and the pull request that a run without `dry-run` would have made. */
export function dryRun(known: Known, image: MadeImage, change: RepositoryChange, text: PullRequestText): CommandResult {
  return {
    outputs: { ...outputsOf(known, 'dry-run'), ...imageOutputs(image) },
    predictions: predictionsOf(image),
    text: dryRunText(change, text),
    summary: text.body,
    exitCode: 0,
  }
}

export function dryRunWithoutBuilder(known: Known, { message, hint }: ToolError, containerfile: string): CommandResult {
  return {
    outputs: outputsOf(known, 'dry-run'),
    text: `dry-run: ${message}, so this ends before the build${hint === undefined ? '' : ` (${hint})`}. It would build:\n\n${containerfile}`,
    exitCode: 0,
  }
}

function outputsOf({ base, kernel, branch, key }: Known, outcome: string): Outputs {
  return {
    outcome,
    'update-available': 'true',
    'base-image': formatPinnedReference(base),
    'kernel-version': `${formatEvr(kernel.evr)}.${kernel.arch}`,
    'change-key': key,
    branch,
  }
}

function imageOutputs({ pinned }: MadeImage): Outputs {
  return { image: formatPinnedReference(pinned), digest: pinned.digest }
}

function pullRequestOutputs(pullRequest: PullRequestSeen | undefined): Outputs {
  return pullRequest === undefined
    ? {}
    : { 'pull-request-number': String(pullRequest.number), 'pull-request-url': pullRequest.url }
}

function predictionsOf({ pinned, contents, prediction }: MadeImage): unknown {
  return {
    schemaVersion: 1,
    image: { ...imageFacts(contents), source: formatPinnedReference(pinned), digest: pinned.digest },
    bootFiles: prediction.bootFiles,
    predictions: prediction.predictions,
  }
}

function dryRunText({ files }: RepositoryChange, { title, body, commitMessage }: PullRequestText): string {
  return [
    'dry-run: nothing was pushed and nothing was written. The pull request would be:',
    '',
    title,
    '',
    body,
    'Its one commit:',
    '',
    commitMessage.trimEnd(),
    '',
    ...files.flatMap(({ path, content }) => [`--- ${path}`, content === null ? '(removed)' : content.trimEnd(), '']),
  ].join('\n')
}
