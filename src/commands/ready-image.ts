// The image that is proposed, checked and predicted, under the name that it will have: built here, built elsewhere, or the base itself.

import type { Builder } from '../edge/builder.ts'
import { inStep } from '../errors.ts'
import { namedAs, onBaseLayers } from '../image/base-layers.ts'
import { sizeGrowth, sizeSentence } from '../image/size-growth.ts'
import { layoutFor } from './build-layout.ts'
import { checkImage } from './check-image.ts'
import { labelled, predictFor, type ReadyImage } from './image-record.ts'
import type { DownloadedKernel } from './kernel-repositories.ts'
import { pullAccessOf } from './open-image.ts'
import { inspectImage } from './read-image.ts'
import type { Work } from './update-work.ts'

export interface BuildPlace {
  readonly builders: readonly Builder[]
  readonly scratch: string
  /** What the image must hold. */
  readonly kernel: Pick<DownloadedKernel, 'vmlinuzSha256' | 'hmacSha256'>
}

/** Builds where something is to be built. Throws as the build, all findings of the checks together, and as the prediction. */
export async function readyImage(work: Work, place: BuildPlace): Promise<ReadyImage> {
  const { settings, log, base, choice, making } = work
  const { source, build } =
    making.kind === 'given' ? { source: making.image, build: null } : await builtImage(work, place)
  for (const warning of build?.warnings ?? []) log.warning(warning)
  return await log.group('Check the image and predict', () =>
    inStep('checks', async () => {
      const built = await inspectImage(source, { bootChain: settings.bootChain, progress: log.progress })
      const { release, packages, extraPackages } = choice.kernel
      await checkImage({
        built,
        base: base.contents,
        release,
        packages: [...packages, ...extraPackages],
        vmlinuzSha256: place.kernel.vmlinuzSha256,
        hmacSha256: place.kernel.hmacSha256,
        clusterVersion: base.clusterVersion,
      })
      const image = build === null ? source : onBaseLayers(source, base.image)
      const contents = namedAs(image, source, built)
      const prediction = predictFor(settings, contents)
      const ready = labelled(settings, image, contents, prediction)
      if (ready.labelChanged !== undefined) log.info(ready.labelChanged)
      const size = sizeSentence(sizeGrowth(image, base.image))
      log.info(`size: ${size}`)
      return { ...ready, build, pinned: { ...settings.imageRepository, digest: ready.image.digest }, prediction, size }
    }),
  )
}

async function builtImage(work: Work, { builders, scratch }: BuildPlace) {
  const { settings, log, base, making, registry, environment, credentials } = work
  const containerfile = making.kind === 'build' ? making.containerfile : ''
  const insecureRegistry = registry.insecureHosts().includes(base.pinned.registry)
  const access = await pullAccessOf(environment, settings, credentials, base.pinned)
  const parts = { builders, base, containerfile, scratch, insecureRegistry, access, environment }
  return await log.group('Build the image', () => inStep('build', () => layoutFor(settings, parts, log)))
}
