// `update`: the whole job, in the order of interface §5. Each step is told here; none has its logic here.

import { type Builder, findBuilders } from '../edge/builder.ts'
import type { ProposalResult } from '../edge/github.ts'
import type { Log } from '../edge/log.ts'
import type { RegistryClient } from '../edge/registry.ts'
import { type Environment, environment, runUrl, timeNow, withScratchDirectory } from '../edge/surroundings.ts'
import { inStep, ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import { formatPinnedReference, type PinnedReference } from '../formats/oci/reference.ts'
import { formatEvr } from '../formats/rpm/version.ts'
import { namedAs, onBaseLayers } from '../image/base-layers.ts'
import { type ImageContents, imageFacts } from '../image/image-contents.ts'
import type { KernelChoice } from '../kernel/choose-kernel.ts'
import { renderContainerfile } from '../layering/containerfile.ts'
import type { ImagePrediction } from '../predict/predict-image.ts'
import { changeKey } from '../propose/change-key.ts'
import { expandImageTag } from '../propose/image-tag.ts'
import { branchName } from '../propose/names.ts'
import { type Decision, decideOutcome, type Situation } from '../propose/outcome.ts'
import { type PullRequestText, pullRequestText } from '../propose/pull-request.ts'
import { recordedPackage } from '../propose/record.ts'
import type { ImageRecord } from '../propose/record-schema.ts'
import { proposeChange, type RepositoryChange, unrecordedImages } from '../propose/repository-change.ts'
import type { OutputName } from '../settings/outputs.ts'
import type { Settings } from '../settings/settings.ts'
import { type Base, chooseKernelFor, readBase } from './base-kernel.ts'
import { type BuiltLayout, fetchPackages, givenImage, layoutFor, planFor } from './build-layout.ts'
import { checkImage } from './check-image.ts'
import type { Command, CommandResult } from './command.ts'
import { type GitOpsTree, readGitOps, readSituation } from './gitops.ts'
import { predictFor, recordedBase, recordOf } from './image-record.ts'
import { registryOf } from './open-image.ts'
import { pushAndReadBack } from './push-image.ts'
import { inspectImage, readImage } from './read-image.ts'
import { dryRunText, outcomeText } from './update-text.ts'

type Outputs = Readonly<Partial<Record<OutputName, string>>>

/** What is known once kernel and change key stand; every later step reads from it. */
interface Work {
  readonly settings: Settings
  readonly environment: Environment
  readonly log: Log
  readonly registry: RegistryClient
  readonly gitops: GitOpsTree
  readonly base: Base
  readonly choice: KernelChoice
  readonly containerfile: string
  readonly key: string
  readonly situation: Situation
  readonly decision: Decision
}

interface CheckedImage extends BuiltLayout {
  readonly contents: ImageContents
  readonly prediction: ImagePrediction
}

export const updateCommand: Command<'update'> = async (settings, credentials, log) => {
  const env = environment()
  const gitops = await log.group('Read the GitOps repository', () =>
    inStep('GitOps repository', () => readGitOps(settings, credentials, env)),
  )
  const registry = await registryOf(env, settings.allowInsecure)
  const base = await log.group('Read the base image', () => readBase(settings, registry))
  log.info(`base image ${formatPinnedReference(base.pinned)}, kernel ${base.kernel.release}`)

  const choice = await log.group('Choose the kernel', () => chooseKernelFor(base.kernel, settings))
  for (const { evr, missing } of choice.incomplete)
    log.warning(`kernel ${formatEvr(evr)} is newer but not whole in the repositories: ${missing.join(', ')} missing`)
  if (!choice.update) return nothingNewer(base, choice)
  log.info(`kernel ${choice.kernel.release}: ${choice.kernel.packages.length} packages`)

  const plan = planFor(base, choice.kernel, settings)
  const containerfile = renderContainerfile(plan)
  const { packages, extraPackages } = choice.kernel
  const given = await givenImage(settings)
  const key = changeKey({
    settings,
    base: base.pinned.digest,
    packages,
    extraPackages,
    containerfile,
    image: given?.digest,
  })
  const situation = await inStep('GitOps repository', () => readSituation(gitops, settings.directory))
  const decision = decideOutcome(situation, key, settings.pools)
  const work: Work = {
    settings,
    environment: env,
    log,
    registry,
    gitops,
    base,
    choice,
    containerfile,
    key,
    situation,
    decision,
  }
  if (decision.outcome === 'unchanged' || decision.outcome === 'rejected') return nothingToSay(work)
  if (!settings.dryRun) await inStep('rights of the token', () => gitops.repository.checkRights(gitops.base))
  return await withScratchDirectory(scratch => make(work, scratch))
}

/** Everything from the download on. Nothing is pushed before `checkedImage` has returned. */
async function make(work: Work, scratch: string): Promise<CommandResult> {
  const { settings, log, base } = work
  const builders = await unlessNoBuilder(work, () => findBuildersFor(work))
  await log.group('Download the packages', () =>
    inStep('packages', () => fetchPackages(work.choice.kernel, scratch, settings.allowInsecure)),
  )
  if ('missing' in builders) return withoutBuilder(work, builders.missing)
  const checked = await unlessNoBuilder(work, () => checkedImage(work, builders.found, scratch))
  if ('missing' in checked) return withoutBuilder(work, checked.missing)
  const image = checked.found
  const others = await log.group('Predict what runs now', () => recordsOfOthers(work))
  const pinned = { ...settings.imageRepository, digest: image.image.digest }
  const record = recordFor(work, image, pinned)
  const change = proposeChange(settings, work.gitops.files, record, others)
  if (change.files.length === 0)
    return nothingToSay({ ...work, decision: { outcome: 'unchanged', pullRequest: undefined } })
  const insecureSources = settings.kernelRepositories
    .filter(url => url.startsWith('http:'))
    .concat(work.registry.insecureHosts())
  const text = pullRequestText(settings, change, record, {
    changeKey: work.key,
    downgraded: work.choice.change === 'older',
    insecureSources,
    checksWaitForApproval: work.gitops.checksWaitForApproval,
  })
  if (settings.dryRun)
    return {
      ...common(work, 'dry-run', image, pinned),
      text: dryRunText(change, text),
      summary: text.body,
      exitCode: 0,
    }

  const tag = expandImageTag(settings.imageTag, {
    kernelRelease: work.choice.kernel.release,
    base: base.pinned.digest,
    changeKey: work.key,
  })
  await log.group('Push the image and read it back', () =>
    inStep('push', () =>
      pushAndReadBack(work.registry, image.image, image.contents, {
        target: settings.imageRepository,
        tag,
        base: base.pinned,
        architecture: settings.architecture,
      }),
    ),
  )
  log.info(`pushed ${formatPinnedReference(pinned)}, tag ${tag}`)
  const proposed = await log.group('Open or update the pull request', () =>
    inStep('pull request', () => proposeTo(work, change, text)),
  )
  return finished(work, image, pinned, proposed, text)
}

/** What the step found, or why no builder works here: a dry run ends there and is no failure. */
async function unlessNoBuilder<T>(
  { settings }: Work,
  step: () => Promise<T>,
): Promise<{ readonly found: T } | { readonly missing: ToolError }> {
  try {
    return { found: await step() }
  } catch (error) {
    if (settings.dryRun && error instanceof ToolError && error.code === 'BUILDER_NOT_FOUND') return { missing: error }
    throw error
  }
}

async function findBuildersFor({ settings, environment }: Work): Promise<readonly Builder[]> {
  if (settings.image !== undefined) return []
  return await inStep('builder', () => findBuilders(settings.builder, environment))
}

async function checkedImage(work: Work, builders: readonly Builder[], scratch: string): Promise<CheckedImage> {
  const { settings, log, base, containerfile } = work
  const parts = { builders, base, containerfile, scratch, environment: work.environment }
  const layout = await log.group(settings.image === undefined ? 'Build the image' : 'Open the image', () =>
    inStep('build', () => layoutFor(settings, parts, log)),
  )
  if (layout.build?.network === 'host')
    log.warning('the build was not cut off from the network: no way without network works on this machine')
  return await log.group('Check the image and predict', () =>
    inStep('checks', async () => {
      const contents = await inspectImage(layout.image)
      const { release, packages, extraPackages } = work.choice.kernel
      await checkImage({
        built: contents,
        base: base.contents,
        release,
        packages: [...packages, ...extraPackages],
      })
      const image = layout.build === null ? layout.image : onBaseLayers(layout.image, base.image)
      const named = namedAs(image, layout.image, contents)
      return { build: layout.build, image, contents: named, prediction: predictFor(settings, named) }
    }),
  )
}

/** First adoption: the base, and what a MachineConfig names now, get values with the first pull request (interface §3). */
async function recordsOfOthers({ settings, registry, gitops, base }: Work): Promise<ImageRecord[]> {
  const created = timeNow()
  const records: ImageRecord[] = []
  for (const { reference, kind, path } of unrecordedImages(settings, gitops.files, base.pinned)) {
    const isBase = reference.digest === base.pinned.digest
    const step = path === undefined ? 'values of the base image' : `values of osImageURL in ${path}`
    const record = await inStep(step, async () => {
      const contents = isBase
        ? base.contents
        : await readImage(await registry.openImage(reference, settings.architecture))
      const image = { registry: reference.registry, repository: reference.repository, digest: contents.digest }
      return recordOf({ image, kind, contents, prediction: predictFor(settings, contents), created })
    })
    records.push(record)
  }
  return records
}

function recordFor(work: Work, { contents, prediction, build }: CheckedImage, image: PinnedReference): ImageRecord {
  const { base, choice, containerfile, key } = work
  return {
    ...recordOf({ image, kind: 'layered', contents, prediction, created: timeNow() }),
    changeKey: key,
    base: recordedBase(base),
    kernel: { release: contents.kernelRelease, packages: choice.kernel.packages.map(recordedPackage) },
    extraPackages: choice.kernel.extraPackages.map(recordedPackage),
    build: {
      containerfileSha256: sha256Hex(Buffer.from(containerfile, 'utf8')),
      builder: build === null ? 'none: an image that was given' : `${build.builder} ${build.version}`,
      isolation: build?.isolation ?? null,
      network: build?.network ?? null,
      runUrl: runUrl(work.environment),
    },
  }
}

async function proposeTo(work: Work, change: RepositoryChange, text: PullRequestText): Promise<ProposalResult> {
  const { gitops, situation, decision, settings } = work
  return await gitops.repository.propose({
    branch: branchName(settings.directory, 'update'),
    base: gitops.base,
    own: situation.branch,
    openPullRequest: decision.outcome === 'updated' ? decision.pullRequest?.number : undefined,
    files: change.files,
    commitMessage: text.commitMessage,
    title: text.title,
    body: text.body,
    draft: text.draft,
  })
}

function finished(
  work: Work,
  image: CheckedImage,
  pinned: PinnedReference,
  { commit, commitVerified, pullRequest }: ProposalResult,
  text: PullRequestText,
): CommandResult {
  const { outcome } = work.decision
  const result = common(work, outcome, image, pinned)
  return {
    ...result,
    outputs: {
      ...result.outputs,
      commit,
      ...(commitVerified === null ? {} : { 'commit-verified': String(commitVerified) }),
      'pull-request-number': String(pullRequest.number),
      'pull-request-url': pullRequest.url,
    },
    text: outcomeText(outcome, text.title, pullRequest.url),
    summary: text.body,
  }
}

function common(
  work: Work,
  outcome: string,
  { contents, prediction }: CheckedImage,
  pinned: PinnedReference,
): Pick<CommandResult, 'outputs' | 'predictions' | 'exitCode'> {
  return {
    outputs: {
      ...outputsOf(work, outcome),
      image: formatPinnedReference(pinned),
      digest: pinned.digest,
    },
    predictions: {
      schemaVersion: 1,
      image: { ...imageFacts(contents), source: formatPinnedReference(pinned) },
      bootFiles: prediction.bootFiles,
      predictions: prediction.predictions,
    },
    exitCode: 0,
  }
}

function outputsOf({ settings, base, choice, key }: Work, outcome: string): Outputs {
  return {
    outcome,
    'update-available': 'true',
    'base-image': formatPinnedReference(base.pinned),
    'kernel-version': `${formatEvr(choice.kernel.evr)}.${choice.kernel.arch}`,
    'change-key': key,
    branch: branchName(settings.directory, 'update'),
  }
}

function nothingNewer(base: Base, { kernel, incomplete }: KernelChoice): CommandResult {
  const evr = `${formatEvr(kernel.evr)}.${kernel.arch}`
  const more = incomplete.length === 0 ? '' : ' A newer one is not whole yet.'
  return {
    outputs: {
      outcome: 'unchanged',
      'update-available': 'false',
      'base-image': formatPinnedReference(base.pinned),
      'kernel-version': evr,
    },
    text: `unchanged: the base image has kernel ${base.kernel.release}, and the repositories have no newer one.${more}`,
    exitCode: 0,
  }
}

function nothingToSay(work: Work): CommandResult {
  const { outcome, pullRequest } = work.decision
  const image = work.situation.lock?.pools[work.settings.pools[0] ?? '']?.image
  return {
    outputs: {
      ...outputsOf(work, outcome),
      'update-available': String(outcome === 'rejected' || pullRequest !== undefined),
      ...(pullRequest === undefined
        ? image === undefined
          ? {}
          : { image }
        : { 'pull-request-number': String(pullRequest.number), 'pull-request-url': pullRequest.url }),
    },
    text: outcomeText(outcome, undefined, pullRequest?.url),
    exitCode: 0,
  }
}

function withoutBuilder(work: Work, { message, hint }: ToolError): CommandResult {
  return {
    outputs: outputsOf(work, 'dry-run'),
    text: `dry-run: ${message}, so this ends before the build${hint === undefined ? '' : ` (${hint})`}. It would build:\n\n${work.containerfile}`,
    exitCode: 0,
  }
}
