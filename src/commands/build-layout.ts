// The build step: packages into a build context, a Containerfile, a builder, and out comes an OCI layout.

import type { PullAccess } from '../edge/builder/pull-access.ts'
import { type Builder, type BuildResult, buildImage } from '../edge/builder.ts'
import { readLocalText } from '../edge/files.ts'
import type { Log } from '../edge/log.ts'
import { openLayout } from '../edge/oci-layout.ts'
import { type PackageOptions, packageFileName } from '../edge/rpm-repository.ts'
import { type Environment, makeDirectory } from '../edge/surroundings.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { KernelPackages } from '../kernel/kernel-packages.ts'
import { packageDirectory } from '../layering/containerfile.ts'
import { type LayeringPlan, planLayering } from '../layering/layering-plan.ts'
import { containerfileCeiling } from '../layering/own-containerfile.ts'
import type { Settings } from '../settings/settings.ts'
import type { Base } from './base-kernel.ts'
import { type DownloadedKernel, downloadKernel } from './kernel-repositories.ts'
import { readPackageTrust } from './package-trust.ts'

/** How the packages get into this base; throws as `planLayering`, REPOSITORY_INVALID for file names, FILE_NOT_FOUND for the Containerfile. */
export async function planFor(base: Base, kernel: KernelPackages, settings: Settings): Promise<LayeringPlan> {
  const { contents, image } = base
  const { containerfile: path } = settings
  const own = path === undefined ? undefined : { path, text: await readLocalText(path, containerfileCeiling) }
  return planLayering({
    base: base.pinned,
    baseName: base.name,
    baseVersion: contents.imageLabels['org.opencontainers.image.version'],
    kernelRelease: kernel.release,
    packages: [...kernel.packages, ...kernel.extraPackages].map(({ name, location }) => ({
      name,
      file: packageFileName(location),
    })),
    installed: new Set(contents.packages?.map(({ name }) => name)),
    baseKernels: contents.found.kernels,
    hasUnifiedKernel: contents.bootFiles.some(({ role }) => role === 'uki'),
    sourceDateEpoch: image.config.created,
    baseHas: path =>
      path === 'sysroot/ostree/repo/config' ? contents.hasOstreeRepository : contents.listing.has(path),
    own,
  })
}

/** Downloads the packages into the build context below `scratch` and checks each. Throws as `readPackageTrust` and `downloadKernel`. */
export async function fetchPackages(
  kernel: KernelPackages,
  scratch: string,
  settings: Settings,
  access: PackageOptions,
): Promise<DownloadedKernel> {
  const trust = await readPackageTrust(settings)
  const directory = `${scratch}/context/${packageDirectory}`
  await makeDirectory(directory)
  return await downloadKernel(kernel, directory, { ...access, trust })
}

export interface BuiltLayout {
  readonly source: ImageSource
  readonly build: BuildResult
}

export interface BuildParts {
  readonly builders: readonly Builder[]
  readonly base: Base
  readonly containerfile: string
  /** Holds the build context; gets the layout. */
  readonly scratch: string
  /** The registry of the base was found to have no https. */
  readonly insecureRegistry: boolean
  /** How we reach it. */
  readonly access: PullAccess
  readonly environment: Environment
}

/** Builds and opens the layout that came out. Throws as `buildImage` and `openLayout`. */
export async function layoutFor(settings: Settings, parts: BuildParts, log: Log): Promise<BuiltLayout> {
  const { architecture } = settings
  const layoutDirectory = `${parts.scratch}/layout`
  const decoder = new TextDecoder()
  const build = await log.childOutput(write =>
    buildImage({
      builders: parts.builders,
      base: parts.base.pinned,
      contextDirectory: `${parts.scratch}/context`,
      containerfile: parts.containerfile,
      layoutDirectory,
      workDirectory: parts.scratch,
      insecureRegistry: parts.insecureRegistry,
      access: parts.access,
      // the base's own time, so that building again gives the same bytes
      sourceDateEpoch: parts.base.image.config.created,
      environment: parts.environment,
      write: chunk => write(decoder.decode(chunk, { stream: true })),
    }),
  )
  log.info(`built with ${build.builder} ${build.version}, isolation ${build.isolation}, network ${build.network}`)
  return { source: await openLayout(layoutDirectory, { architecture }), build }
}
