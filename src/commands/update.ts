// `update`: the whole job, in the order of interface §5. Each step is told here; none has its logic here.

import { type Builder, findBuilders } from '../edge/builder.ts'
import { environment, withScratchDirectory } from '../edge/surroundings.ts'
import { inStep, ToolError } from '../errors.ts'
import { formatPinnedReference } from '../formats/oci/reference.ts'
import { formatEvr } from '../formats/rpm/version.ts'
import { checkTree } from '../propose/repository-change.ts'
import { standingOf } from '../propose/standing.ts'
import { chooseKernelFor, readBase } from './base-kernel.ts'
import { fetchPackages } from './build-layout.ts'
import { checkFit } from './check-dependencies.ts'
import type { Command, CommandResult } from './command.ts'
import { dryRun, dryRunWithoutBuilder } from './dry-run.ts'
import { readGitOps, readSituation } from './gitops.ts'
import { baseRecord, layeredRecord, recordsOfOthers } from './image-record.ts'
import { kernelNews } from './kernel-news.ts'
import { registryOf } from './open-image.ts'
import { preflight } from './preflight.ts'
import { proposalOf, propose, publish } from './propose-image.ts'
import { readyImage } from './ready-image.ts'
import { repositoryAccess, tellWentBack } from './repository-access.ts'
import { leaveAlone, nextStep, planWork } from './update-plan.ts'
import { nothingToSay } from './update-result.ts'
import { type Facts, known, type Work } from './update-work.ts'

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
  const choice = await log.group('Choose the kernel', () => chooseKernelFor(base, settings, access))
  for (const { evr, missing } of choice.incomplete)
    log.warning(`kernel ${formatEvr(evr)} is newer but not whole in the repositories: ${missing.join(', ')} missing`)
  tellWentBack(choice.newest, standingOf(situation, settings.pools).inUse, log)
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

  const step = nextStep(facts)
  if (step.kind === 'nothing') return leaveAlone(facts, step.why)
  const work = await planWork(facts, step.kind)
  if (work.decision.outcome === 'unchanged' || work.decision.outcome === 'rejected')
    return nothingToSay(known(work), work.decision, situation.lock?.pools[settings.pools[0] ?? '']?.image)
  if (!settings.dryRun) await inStep('rights of the token', () => gitops.repository.checkRights(gitops.base))
  if (work.making.kind === 'base') return await proposeBase(work)
  return await withScratchDirectory(scratch => proposeLayered(work, scratch))
}

/** Everything from the download on. Nothing is pushed before `readyImage` has returned and the change stands. */
async function proposeLayered(work: Work, scratch: string): Promise<CommandResult> {
  const { settings, log, registry, gitops, choice, base } = work
  log.info(`kernel ${choice.kernel.release}: ${choice.kernel.packages.length} packages`)
  const builders = await unlessNoBuilder(work, () => findBuildersFor(work))
  const pulls = await log.group('Ask registries for what nodes need', () => inStep('preflight', () => preflight(work)))
  const downloaded = await log.group('Download the packages', () =>
    inStep('packages', () => fetchPackages(choice.kernel, scratch, settings, work.access)),
  )
  await inStep('packages', () => checkFit(work, downloaded))
  if (builders instanceof ToolError) return dryRunWithoutBuilder(work, builders, downloaded)
  const image = await unlessNoBuilder(work, () => readyImage(work, { builders, scratch, kernel: downloaded }))
  if (image instanceof ToolError) return dryRunWithoutBuilder(work, image, downloaded)
  const others = await log.group('Predict what runs now', () =>
    recordsOfOthers(settings, registry, gitops.files, base, log.progress),
  )
  const news = await log.group('Read what is new in the kernel', () => kernelNews(work, downloaded))
  const proposal = proposalOf(work, layeredRecord(image, { ...work, packages: downloaded.packages }), others, {
    size: [image.size],
    ...news,
    ...pulls,
  })
  if (proposal.change.files.length === 0) return sameAgain(work, proposal.record.image)
  if (settings.dryRun) return dryRun(known(work), image, proposal)
  await publish(work, image, others.labelledBase)
  return await propose(work, image, proposal)
}

/** The base image as it is: nothing is built, and nothing pushed unless it needs a label. */
async function proposeBase(work: Work): Promise<CommandResult> {
  const { settings, log, registry, gitops, base } = work
  const pulls = await log.group('Ask registries for what nodes need', () => inStep('preflight', () => preflight(work)))
  const { image, record } = await log.group('Check the image and predict', () =>
    inStep('checks', async () => baseRecord(settings, gitops.records, base)),
  )
  const others = await log.group('Predict what runs now', () =>
    recordsOfOthers(settings, registry, gitops.files, base, log.progress),
  )
  const proposal = proposalOf(work, record, others, { size: [], ...pulls })
  if (proposal.change.files.length === 0) return sameAgain(work, record.image)
  if (settings.dryRun) return dryRun(known(work), image, proposal)
  if (image.image !== base.image) await publish(work, image, undefined)
  return await propose(work, image, proposal)
}

const sameAgain = (work: Work, image: string): CommandResult =>
  nothingToSay(known(work), { outcome: 'unchanged', pullRequest: undefined }, image)

/** What the step gives, or why no builder works here: a dry run ends there and is no failure. */
async function unlessNoBuilder<T>({ settings }: Work, step: () => Promise<T>): Promise<T | ToolError> {
  try {
    return await step()
  } catch (error) {
    if (settings.dryRun && error instanceof ToolError && error.code === 'BUILDER_NOT_FOUND') return error
    throw error
  }
}

async function findBuildersFor({ settings, environment, making }: Work): Promise<readonly Builder[]> {
  if (making.kind !== 'build') return []
  return await inStep('builder', () => findBuilders(settings.builder, environment, settings.architecture))
}
