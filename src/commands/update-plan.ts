// Whether there is something to propose, and what: the decisions of `update`, before anything is downloaded or built (interface §4, design D17).

import { inStep, ToolError } from '../errors.ts'
import { formatPinnedReference } from '../formats/oci/reference.ts'
import { formatEvr } from '../formats/rpm/version.ts'
import { renderContainerfile } from '../layering/containerfile.ts'
import { changeKey } from '../propose/change-key.ts'
import { branchName } from '../propose/names.ts'
import { decideOutcome } from '../propose/outcome.ts'
import { heldBack, isOlder, missesBase, standingOf } from '../propose/standing.ts'
import { planFor } from './build-layout.ts'
import type { CommandResult } from './command.ts'
import { openImage } from './open-image.ts'
import { noKernel } from './update-result.ts'
import type { Facts, Making, Work } from './update-work.ts'

/** What to propose, or why nothing is, as a sentence. */
export type NextStep = { readonly kind: 'layer' | 'base' } | { readonly kind: 'nothing'; readonly why: string }

/** Throws DOWNGRADE_REFUSED when the user asked for a kernel that is older than what is in use. */
export function nextStep(facts: Facts): NextStep {
  const { settings, situation, base, choice } = facts
  if (!choice.update) return ownKernelOfBase(facts)
  const { evr } = choice.kernel
  const standing = standingOf(situation, settings.pools)
  const held = heldBack(evr, standing)
  if (held !== undefined) return { kind: 'nothing', why: held }
  if (!isOlder(evr, standing)) return { kind: 'layer' }
  const inUse = standing.inUse === undefined ? '' : formatEvr(standing.inUse)
  if (settings.kernelVersion === 'latest')
    return {
      kind: 'nothing',
      why: `the newest kernel of the repositories, ${formatEvr(evr)}, is older than the one in use, ${inUse}`,
    }
  if (settings.allowDowngrade) return { kind: 'layer' }
  throw new ToolError('DOWNGRADE_REFUSED', 'the kernel asked for is older than the one in use', {
    found: formatEvr(evr),
    wanted: `${inUse} or newer`,
    where: { source: formatPinnedReference(base.pinned) },
  })
}

/** The base's kernel is the newest: where pools have an image of ours on another base, the base itself is news; a given image is what it is. */
function ownKernelOfBase({ settings, situation, base }: Facts): NextStep {
  const none = `the base image has kernel ${base.kernel.release}, and the repositories have no newer one`
  if (settings.image !== undefined || !missesBase(situation, settings.pools, base.pinned.digest))
    return { kind: 'nothing', why: none }
  const standing = standingOf(situation, settings.pools)
  const held = heldBack(base.kernel.evr, standing)
  if (held !== undefined) return { kind: 'nothing', why: held }
  if (isOlder(base.kernel.evr, standing))
    return {
      kind: 'nothing',
      why: `${none}; it is older than the kernel in use, ${formatEvr(standing.inUse ?? base.kernel.evr)}`,
    }
  return { kind: 'base' }
}

/** Ends without a change; what a reader must know beside stands in warnings. */
export function leaveAlone({ settings, log, situation, base, choice }: Facts, why: string): CommandResult {
  const newBase = missesBase(situation, settings.pools, base.pinned.digest)
  if (newBase) log.warning('the base image has changed since the image in use was built, and nothing is proposed on it')
  const open = situation.pullRequests.find(({ state }) => state === 'open')
  if (open !== undefined)
    log.warning(`pull request ${open.number} is still open, and this run has nothing that it should hold: ${open.url}`)
  return noKernel({ base: base.pinned, kernel: choice.kernel }, why, newBase, open)
}

/** Throws as `planFor`, and as the given image is opened. */
export async function planWork(facts: Facts, kind: 'layer' | 'base'): Promise<Work> {
  const { settings, base, choice, situation } = facts
  const making = kind === 'base' ? { kind } : await makingOf(facts)
  const none = { packages: [], extraPackages: [] }
  const { packages, extraPackages } = making.kind === 'base' ? none : choice.kernel
  const containerfile = making.kind === 'build' ? making.containerfile : ''
  const image = making.kind === 'given' ? making.image.digest : undefined
  const key = changeKey({ settings, base: base.pinned.digest, packages, extraPackages, containerfile, image })
  return {
    ...facts,
    branch: branchName(settings.directory, 'update'),
    key,
    making,
    decision: decideOutcome(situation, key, settings.pools),
  }
}

async function makingOf({ settings, registry, base, choice }: Facts): Promise<Making> {
  const { image: location, architecture } = settings
  if (location !== undefined)
    return { kind: 'given', image: await inStep('image', () => openImage(location, registry, architecture)) }
  const plan = await inStep('Containerfile', () => planFor(base, choice.kernel, settings))
  return { kind: 'build', plan, containerfile: renderContainerfile(plan) }
}
