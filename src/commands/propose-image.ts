// From a checked image to the pull request: the change of the tree, its text, the push, the commit.

import type { ProposalResult } from '../edge/github.ts'
import { inStep } from '../errors.ts'
import { formatPinnedReference } from '../formats/oci/reference.ts'
import type { ImageSource } from '../image/image-source.ts'
import { insecureRepositories } from '../kernel/insecure-repositories.ts'
import type { RunFacts } from '../propose/caveats.ts'
import { expandImageTag } from '../propose/image-tag.ts'
import { type PullRequestText, pullRequestText } from '../propose/pull-request.ts'
import type { ImageRecord } from '../propose/record-schema.ts'
import { proposeChange, type RepositoryChange } from '../propose/repository-change.ts'
import { isOlder, standingOf } from '../propose/standing.ts'
import type { CommandResult } from './command.ts'
import type { OtherRecords, ReadyImage } from './image-record.ts'
import { anonymousRegistryOf } from './open-image.ts'
import { pushAndReadBack } from './push-image.ts'
import { proposed } from './update-result.ts'
import { known, type Work } from './update-work.ts'

export interface ImageProposal {
  readonly record: ImageRecord
  readonly change: RepositoryChange
  readonly text: PullRequestText
}

/** What the pull request would hold. Throws as `proposeChange`. */
export function proposalOf(
  { settings, registry, access, gitops, key, choice, situation, making }: Work,
  record: ImageRecord,
  others: OtherRecords,
  seen: Pick<RunFacts, 'size'> & Partial<RunFacts>,
): ImageProposal {
  const more = others.records.filter(one => one.image !== record.image)
  const change = proposeChange(settings, gitops.files, record, more, others.resolved)
  const { packages, extraPackages } = choice.kernel
  const http = insecureRepositories(settings.kernelRepositories, [...packages, ...extraPackages])
  const text = pullRequestText(settings, change, record, {
    changeKey: key,
    downgraded:
      making.kind !== 'base' &&
      (choice.change === 'older' || isOlder(choice.kernel.evr, standingOf(situation, settings.pools))),
    insecureSources: [...new Set([...http, ...access.insecureHosts(), ...registry.insecureHosts()])],
    checksWaitForApproval: gitops.checksWaitForApproval,
    ...seen,
  })
  return { record, change, text }
}

/** Pushes and reads back. An image that something else pushed to image-repository stays as it is there. Throws as `pushAndReadBack`. */
export async function publish(
  { settings, log, registry, base, key, environment, making }: Work,
  image: ReadyImage,
  labelledBase: ImageSource | undefined,
): Promise<void> {
  const { architecture, imageRepository: target } = settings
  const kernelRelease = image.contents.kernelRelease ?? 'unknown'
  const tag =
    making.kind === 'base'
      ? `base-${base.pinned.digest.slice(7, 19)}`
      : expandImageTag(settings.imageTag, { kernelRelease, base: base.pinned.digest, changeKey: key })
  const anonymous = await anonymousRegistryOf(environment, settings)
  const isThere = making.kind === 'given' && image.image === making.image && isIn(settings.image, target)
  const place = {
    target,
    tag,
    base: base.pinned,
    architecture,
    anonymous,
    labelledBase,
    isThere,
    progress: log.progress,
  }
  await log.group('Push the image and read it back', () =>
    inStep('push', () => pushAndReadBack(registry, image, place)),
  )
  const pinned = formatPinnedReference(image.pinned)
  log.info(isThere ? `${pinned} is in image-repository already` : `pushed ${pinned}, tag ${tag}`)
}

function isIn(
  location: Work['settings']['image'],
  { registry, repository }: Work['settings']['imageRepository'],
): boolean {
  if (location?.kind !== 'registry') return false
  return location.reference.registry === registry && location.reference.repository === repository
}

/** Throws as the forge's client. */
export async function propose(work: Work, image: ReadyImage, { change, text }: ImageProposal): Promise<CommandResult> {
  const { log, gitops, situation, decision, branch } = work
  const outcome = decision.outcome === 'updated' ? 'updated' : 'created'
  const openPullRequest = outcome === 'updated' ? decision.pullRequest?.number : undefined
  const proposal = { ...text, branch, base: gitops.base, own: situation.branch, openPullRequest, files: change.files }
  const result: ProposalResult = await log.group('Open or update the pull request', () =>
    inStep('pull request', () => gitops.repository.propose(proposal)),
  )
  if (text.draft && !result.pullRequest.draft)
    log.warning(
      'the pull request is no draft, though its values are uncalibrated: GitHub made none, or somebody marked it as ready',
    )
  return proposed(known(work), outcome, image, result, text)
}
