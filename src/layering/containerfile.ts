// The Containerfile of a layered image: one RUN on the pinned base, packages by bind mount from the build context (D8).

import { formatPinnedReference } from '../formats/oci/reference.ts'
import type { LayeringPlan } from './layering-plan.ts'

/** Directory of the build context that holds the RPMs. */
export const packageDirectory = 'rpms'

const mountPoint = '/run/attested-os-update/rpms'
/** Only images that we layered have it. */
export const kernelReleaseLabel = 'attested-os-update.kernel-release'

/** Labels that the built image carries beside those of its base (image-spec annotations.md names the first two). */
export function layeredImageLabels(plan: LayeringPlan): Readonly<Record<string, string>> {
  return {
    'org.opencontainers.image.base.digest': plan.base.digest,
    'org.opencontainers.image.base.name': plan.baseName,
    [kernelReleaseLabel]: plan.kernelRelease,
  }
}

/**
 * The text of the Containerfile. The same plan gives the same bytes. A change here changes every change key.
 * The RPMs lie in `packageDirectory` of the build context; no command needs the network.
 */
export function renderContainerfile(plan: LayeringPlan): string {
  const steps = [
    command('rpm-ostree override replace', plan.replace),
    ...(plan.install.length === 0 ? [] : [command('rpm-ostree install', plan.install)]),
    'rpm-ostree cleanup -m',
    plan.closingStep,
  ]
  const labels = Object.entries(layeredImageLabels(plan)).map(([name, value]) => `LABEL ${name}="${value}"`)
  return [
    `ARG BASE=${formatPinnedReference(plan.base)}`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a build argument of the Containerfile
    'FROM ${BASE}',
    `RUN --mount=type=bind,source=${packageDirectory},target=${mountPoint} \\`,
    `    ${steps.join(' && \\\n    ')}`,
    ...labels,
    '',
  ].join('\n')
}

function command(words: string, files: readonly string[]): string {
  return [words, ...files.map(file => `${mountPoint}/${file}`)].join(' \\\n        ')
}
