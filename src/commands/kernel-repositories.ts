// Asks the kernel repositories and downloads the chosen packages; joins edge with the formats and checks it needs.

import { type FetchedRepository, fetchRepositories } from '../edge/repository-metadata.ts'
import { type DownloadedPackage, downloadPackages, type PackageOptions, readPackage } from '../edge/rpm-repository.ts'
import { ToolError } from '../errors.ts'
import { fileSha256 } from '../formats/rpm/file-list.ts'
import { repositoryFormats } from '../formats/rpm/repository-formats.ts'
import { checkRpmDigests, parseRpm } from '../formats/rpm/rpm-file.ts'
import type { KernelPackages } from '../kernel/kernel-packages.ts'
import { checkIdentity } from '../kernel/package-identity.ts'

/** The packages with these names, per repository, in the order of `urls`. Throws as `fetchRepositories`. */
export async function readKernelRepositories(
  urls: readonly string[],
  names: ReadonlySet<string>,
  options: PackageOptions,
): Promise<FetchedRepository[]> {
  return await fetchRepositories(urls, names, repositoryFormats, options)
}

export interface DownloadedKernel {
  /** In the order of the kernel's packages, then the extra ones. */
  readonly packages: readonly DownloadedPackage[]
  /** SHA-256, hex, of the kernel in kernel-core: what the image must hold. */
  readonly vmlinuzSha256: string
}

/**
 * Downloads kernel and extra packages into `directory` and makes sure that each is the package it was taken for.
 * Throws as `downloadPackages`, and RPM_INVALID (also for a kernel-core without kernel), CHECKSUM_MISMATCH, RPM_IDENTITY_MISMATCH.
 */
export async function downloadKernel(
  kernel: KernelPackages,
  directory: string,
  options: PackageOptions,
): Promise<DownloadedKernel> {
  const packages = await downloadPackages([...kernel.packages, ...kernel.extraPackages], directory, options)
  let vmlinuzSha256: string | undefined
  for (const one of packages) {
    const file = parseRpm(await readPackage(one.path), one.package.location)
    checkIdentity(file.header, one.package)
    checkRpmDigests(file)
    if (one.package.name === 'kernel-core') vmlinuzSha256 = fileSha256(file, `lib/modules/${kernel.release}/vmlinuz`)
  }
  if (vmlinuzSha256 === undefined)
    throw new ToolError('RPM_INVALID', 'no package of the kernel is kernel-core', {
      found: kernel.packages.map(({ name }) => name).join(' '),
      wanted: 'kernel-core, which holds the kernel',
    })
  return { packages, vmlinuzSha256 }
}
