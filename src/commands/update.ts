// `update`: the whole job, in the order of interface §5. Each step is told here; none has its logic here.

import { type Builder, findBuilders } from '../edge/builder.ts'
import type { ProposalResult } from '../edge/github.ts'
import type { Log } from '../edge/log.ts'
import type { RegistryClient } from '../edge/registry.ts'
import type { PackageOptions } from '../edge/rpm-repository.ts'
import { type Environment, environment, withScratchDirectory } from '../edge/surroundings.ts'
import { inStep, ToolError } from '../errors.ts'
import { formatPinnedReference } from '../formats/oci/reference.ts'
import { formatEvr } from '../formats/rpm/version.ts'
import { namedAs, onBaseLayers } from '../image/base-layers.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { KernelChoice } from '../kernel/choose-kernel.ts'
import { insecureRepositories } from '../kernel/insecure-repositories.ts'
import { renderContainerfile } from '../layering/containerfile.ts'
import { changeKey } from '../propose/change-key.ts'
import { expandImageTag } from '../propose/image-tag.ts'
import { branchName } from '../propose/names.ts'
import { type Decision, decideOutcome, type Situation } from '../propose/outcome.ts'
import { type PullRequestText, pullRequestText } from '../propose/pull-request.ts'
import { checkTree, proposeChange, type RepositoryChange } from '../propose/repository-change.ts'
import { heldBack, isOlder, standingOf } from '../propose/standing.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { Settings } from '../settings/settings.ts'
import { type Base, chooseKernelFor, readBase } from './base-kernel.ts'
import { fetchPackages, givenImage, layoutFor, planFor } from './build-layout.ts'
import { checkImage } from './check-image.ts'
import type { Command, CommandResult } from './command.ts'
import { type GitOpsTree, readGitOps, readSituation, recordInUse } from './gitops.ts'
import {
  labelled,
  layeredRecord,
  type OtherRecords,
  predictFor,
  type ReadyImage,
  recordsOfOthers,
} from './image-record.ts'
import { anonymousRegistryOf, pullAccessOf, registryOf } from './open-image.ts'
import { preflight } from './preflight.ts'
import { pushAndReadBack } from './push-image.ts'
import { inspectImage } from './read-image.ts'
import { repositoryAccess } from './repository-access.ts'
import { dryRun, dryRunWithoutBuilder, type Known, noKernel, nothingToSay, proposed } from './update-result.ts'

/** What is known when base and kernel stand. */
interface Facts {
  readonly settings: Settings
  readonly environment: Environment
  readonly credentials: Credentials
  readonly log: Log
  readonly registry: RegistryClient
  readonly gitops: GitOpsTree
  readonly situation: Situation
  readonly base: Base
  /** To the kernel repositories. */
  readonly access: PackageOptions
  readonly choice: KernelChoice
}

/** What is known when it stands that there is something to do. */
interface Work extends Facts {
  readonly branch: string
  readonly key: string
  readonly containerfile: string
  /** An image that something else built. */
  readonly given: ImageSource | undefined
  readonly decision: Decision
}

export const updateCommand: Command<'update'> = async (settings, credentials, log) => {
  const env = environment()
  const { gitops, situation } = await log.group('Read the GitOps repository', () =>
    inStep('GitOps repository', async () => {
      const tree = await readGitOps(settings, credentials, env)
      return { gitops: tree, situation: await readSituation(tree, settings.directory) }
    }),
  )
  await inStep('GitOps repository', async () => checkTree(settings, gitops.files))
  const registry = await registryOf(env, settings, credentials)
  const base = await log.group('Read the base image', () =>
    readBase(settings, registry, log.progress, { credentials, gitops, clusterId: settings.clusterId }),
  )
  log.info(`base image ${formatPinnedReference(base.pinned)}, kernel ${base.kernel.release}`)
  const access = await repositoryAccess(env, settings, credentials, log)
  const choice = await log.group('Choose the kernel', () => chooseKernelFor(base.kernel, settings, access))
  for (const { evr, missing } of choice.incomplete)
    log.warning(`kernel ${formatEvr(evr)} is newer but not whole in the repositories: ${missing.join(', ')} missing`)
  const facts: Facts = {
    settings,
    environment: env,
    credentials,
    log,
    registry,
    gitops,
    situation,
    base,
    access,
    choice,
  }

  const why = whyNot(facts)
  if (why !== undefined) return leaveAlone(facts, why)
  log.info(`kernel ${choice.kernel.release}: ${choice.kernel.packages.length} packages`)
  const work = await plan(facts)
  if (work.decision.outcome === 'unchanged' || work.decision.outcome === 'rejected')
    return nothingToSay(known(work), work.decision, situation.lock?.pools[settings.pools[0] ?? '']?.image)
  if (!settings.dryRun) await inStep('rights of the token', () => gitops.repository.checkRights(gitops.base))
  return await withScratchDirectory(scratch => make(work, scratch))
}

/** Why no kernel is proposed, as a sentence. Throws DOWNGRADE_REFUSED when the user asked for one that is older than what is in use. */
function whyNot({ settings, situation, base, choice }: Facts): string | undefined {
  const { evr } = choice.kernel
  if (!choice.update) return `the base image has kernel ${base.kernel.release}, and the repositories have no newer one`
  const standing = standingOf(situation, settings.pools)
  const held = heldBack(evr, standing)
  if (held !== undefined || !isOlder(evr, standing)) return held
  const inUse = standing.inUse === undefined ? '' : formatEvr(standing.inUse)
  if (settings.kernelVersion === 'latest')
    return `the newest kernel of the repositories, ${formatEvr(evr)}, is older than the one in use, ${inUse}`
  if (settings.allowDowngrade) return undefined
  throw new ToolError('DOWNGRADE_REFUSED', 'the kernel asked for is older than the one in use', {
    found: formatEvr(evr),
    wanted: `${inUse} or newer`,
  })
}

/** Ends without a change; what a reader must know beside stands in warnings. */
function leaveAlone({ settings, log, gitops, situation, base, choice }: Facts, why: string): CommandResult {
  const record = recordInUse(gitops, settings.pools)
  const inUse = record?.base?.image
  const newBase = inUse !== undefined && inUse !== formatPinnedReference(base.pinned)
  if (newBase)
    log.warning(
      `the base image has changed since the image in use was built (${inUse}); this version proposes a new base only together with a newer kernel`,
    )
  const open = situation.pullRequests.find(({ state }) => state === 'open')
  if (open !== undefined)
    log.warning(`pull request ${open.number} is still open, and this run has nothing that it should hold: ${open.url}`)
  return noKernel({ base: base.pinned, kernel: choice.kernel }, why, newBase, open)
}

async function plan(facts: Facts): Promise<Work> {
  const { settings, base, choice, situation } = facts
  const containerfile = renderContainerfile(planFor(base, choice.kernel))
  const given = await givenImage(settings)
  const { packages, extraPackages } = choice.kernel
  const inputs = { settings, base: base.pinned.digest, packages, extraPackages, containerfile, image: given?.digest }
  const key = changeKey(inputs)
  return {
    ...facts,
    branch: branchName(settings.directory, 'update'),
    key,
    containerfile,
    given,
    decision: decideOutcome(situation, key, settings.pools),
  }
}

/** Everything from the download on. Nothing is pushed before `readyImage` has returned and the change stands. */
async function make(work: Work, scratch: string): Promise<CommandResult> {
  const { settings, log, registry, gitops } = work
  const builders = await unlessNoBuilder(work, () => findBuildersFor(work))
  const pulls = await log.group('Ask registries for what nodes need', () => inStep('preflight', () => preflight(work)))
  const { vmlinuzSha256 } = await log.group('Download the packages', () =>
    inStep('packages', () => fetchPackages(work.choice.kernel, scratch, work.access)),
  )
  if (builders instanceof ToolError) return dryRunWithoutBuilder(known(work), builders, work.containerfile)
  const image = await unlessNoBuilder(work, () => readyImage(work, builders, scratch, vmlinuzSha256))
  if (image instanceof ToolError) return dryRunWithoutBuilder(known(work), image, work.containerfile)
  const others = await log.group('Predict what runs now', () =>
    recordsOfOthers(settings, registry, gitops.files, work.base, log.progress),
  )
  const record = layeredRecord(image, work)
  const change = proposeChange(settings, gitops.files, record, others.records, others.resolved)
  if (change.files.length === 0)
    return nothingToSay(known(work), { outcome: 'unchanged', pullRequest: undefined }, record.image)
  const { packages, extraPackages } = work.choice.kernel
  const http = insecureRepositories(settings.kernelRepositories, [...packages, ...extraPackages])
  const text = pullRequestText(settings, change, record, {
    changeKey: work.key,
    downgraded:
      work.choice.change === 'older' || isOlder(work.choice.kernel.evr, standingOf(work.situation, settings.pools)),
    insecureSources: [...http, ...registry.insecureHosts()],
    checksWaitForApproval: gitops.checksWaitForApproval,
    ...pulls,
  })
  if (settings.dryRun) return dryRun(known(work), image, change, text)
  await publish(work, image, others)
  return await propose(work, image, change, text)
}

function known({ base, choice, branch, key }: Work): Known {
  return { base: base.pinned, kernel: choice.kernel, branch, key }
}

/** What the step gives, or why no builder works here: a dry run ends there and is no failure. */
async function unlessNoBuilder<T>({ settings }: Work, step: () => Promise<T>): Promise<T | ToolError> {
  try {
    return await step()
  } catch (error) {
    if (settings.dryRun && error instanceof ToolError && error.code === 'BUILDER_NOT_FOUND') return error
    throw error
  }
}

async function findBuildersFor({ settings, environment, given }: Work): Promise<readonly Builder[]> {
  if (given !== undefined) return []
  return await inStep('builder', () => findBuilders(settings.builder, environment, settings.architecture))
}

/** The image, built, checked and predicted, under the name that it will have. */
async function readyImage(
  work: Work,
  builders: readonly Builder[],
  scratch: string,
  vmlinuzSha256: string,
): Promise<ReadyImage> {
  const { settings, log, base, containerfile, given } = work
  const insecureRegistry = work.registry.insecureHosts().includes(base.pinned.registry)
  const { environment, credentials } = work
  const access = await pullAccessOf(environment, settings, credentials, base.pinned)
  const parts = { builders, base, containerfile, scratch, insecureRegistry, access, environment }
  const { source, build } =
    given === undefined
      ? await log.group('Build the image', () => inStep('build', () => layoutFor(settings, parts, log)))
      : { source: given, build: null }
  for (const warning of build?.warnings ?? []) log.warning(warning)
  return await log.group('Check the image and predict', () =>
    inStep('checks', async () => {
      const built = await inspectImage(source, { progress: log.progress })
      const packages = [...work.choice.kernel.packages, ...work.choice.kernel.extraPackages]
      await checkImage({ built, base: base.contents, release: work.choice.kernel.release, packages, vmlinuzSha256 })
      const image = build === null ? source : onBaseLayers(source, base.image)
      const contents = namedAs(image, source, built)
      const prediction = predictFor(settings, contents)
      const ready = labelled(settings, image, contents, prediction)
      if (ready.labelChanged !== undefined) log.info(ready.labelChanged)
      return { ...ready, build, pinned: { ...settings.imageRepository, digest: ready.image.digest }, prediction }
    }),
  )
}

async function publish(work: Work, image: ReadyImage, { labelledBase }: OtherRecords): Promise<void> {
  const { settings, log, registry, base, choice, key } = work
  const { release } = choice.kernel
  const tag = expandImageTag(settings.imageTag, { kernelRelease: release, base: base.pinned.digest, changeKey: key })
  const { architecture, imageRepository: target } = settings
  const anonymous = await anonymousRegistryOf(work.environment, settings)
  const place = { target, tag, base: base.pinned, architecture, anonymous, labelledBase, progress: log.progress }
  await log.group('Push the image and read it back', () =>
    inStep('push', () => pushAndReadBack(registry, image, place)),
  )
  log.info(`pushed ${formatPinnedReference(image.pinned)}, tag ${tag}`)
}

async function propose(
  work: Work,
  image: ReadyImage,
  { files }: RepositoryChange,
  text: PullRequestText,
): Promise<CommandResult> {
  const { log, gitops, situation, decision, branch } = work
  const outcome = decision.outcome === 'updated' ? 'updated' : 'created'
  const openPullRequest = outcome === 'updated' ? decision.pullRequest?.number : undefined
  const proposal = { ...text, branch, base: gitops.base, own: situation.branch, openPullRequest, files }
  const result: ProposalResult = await log.group('Open or update the pull request', () =>
    inStep('pull request', () => gitops.repository.propose(proposal)),
  )
  if (text.draft && !result.pullRequest.draft)
    log.warning(
      'the pull request is no draft, though its values are uncalibrated: GitHub made none, or somebody marked it as ready',
    )
  return proposed(known(work), outcome, image, result, text)
}
