// How a dry run ends: with the tree and the pull request, or, where nothing can be built, with all that would be built.

import type { ToolError } from '../errors.ts'
import { formatPinnedReference } from '../formats/oci/reference.ts'
import { formatEvr } from '../formats/rpm/version.ts'
import type { LayeringPlan } from '../layering/layering-plan.ts'
import type { CommandResult } from './command.ts'
import type { DownloadedKernel } from './kernel-repositories.ts'
import type { ImageProposal } from './propose-image.ts'
import { imageOutputs, type Known, type MadeImage, outputsOf, predictionsOf } from './update-result.ts'
import { known, type Work } from './update-work.ts'

/** The tree and the pull request that a run without `dry-run` would have made. */
export function dryRun(known: Known, image: MadeImage, proposal: ImageProposal): CommandResult {
  return {
    outputs: { ...outputsOf(known, 'dry-run'), ...imageOutputs(image) },
    predictions: predictionsOf(image),
    text: proposalText(proposal),
    summary: proposal.text.body,
    exitCode: 0,
  }
}

function proposalText({ change, text }: ImageProposal): string {
  return [
    'dry-run: nothing was pushed and nothing was written. The pull request would be:',
    '',
    text.title,
    '',
    text.body,
    'Its one commit:',
    '',
    text.commitMessage.trimEnd(),
    '',
    ...change.files.flatMap(({ path, content }) => [
      `--- ${path}`,
      content === null ? '(removed)' : content.trimEnd(),
      '',
    ]),
  ].join('\n')
}

const whyWay: Readonly<Record<LayeringPlan['way'], string>> = {
  'rpm-ostree': 'rpm-ostree, because the base image has it and an ostree repository',
  dnf: 'dnf, because the base image has it and no ostree repository that rpm-ostree could work on',
  containerfile: 'the Containerfile of the setting containerfile',
}

/** Everything up to the build: base, kernel, way, packages and who signed them, the Containerfile; and what would follow. */
export function dryRunWithoutBuilder(
  work: Work,
  { message, hint }: ToolError,
  { packages }: DownloadedKernel,
): CommandResult {
  const { settings, base, choice, making, branch } = work
  const { registry, repository } = settings.imageRepository
  const tag = base.tag === null ? '' : `, found as tag ${base.tag}`
  const text = [
    `dry-run: ${message}, so this ends before the build${hint === undefined ? '' : ` (${hint})`}.`,
    '',
    `Base image: ${formatPinnedReference(base.pinned)}${tag}, kernel ${base.kernel.release}`,
    `Kernel: ${choice.kernel.release}`,
    ...(making.kind === 'build' ? [`Way: ${whyWay[making.plan.way]}`] : []),
    'Packages, downloaded and checked:',
    ...packages.map(
      ({ package: { name, evr, arch, checksumType, checksum, location }, signer }) =>
        `  ${name}-${formatEvr(evr)}.${arch}, ${signer === null ? 'signature not checked' : `signed by ${signer}`}, ${checksumType} ${checksum}, from ${location}`,
    ),
    '',
    ...(making.kind === 'build' ? ['It would build:', '', making.containerfile.trimEnd(), ''] : []),
    `The result would be checked and predicted, pushed to ${registry}/${repository}, and proposed on branch ${branch}.`,
  ]
  return { outputs: outputsOf(known(work), 'dry-run'), text: text.join('\n'), exitCode: 0 }
}
