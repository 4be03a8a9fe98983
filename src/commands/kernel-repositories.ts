// Asks the kernel repositories and downloads the chosen packages; joins edge with the formats and checks it needs.

import {
  type DownloadedPackage,
  downloadPackages,
  type FetchedRepository,
  fetchRepositories,
  readPackage,
} from '../edge/rpm-repository.ts'
import { repositoryFormats } from '../formats/rpm/repository-formats.ts'
import { checkRpmDigests, parseRpm } from '../formats/rpm/rpm-file.ts'
import type { KernelPackages } from '../kernel/kernel-packages.ts'
import { checkIdentity } from '../kernel/package-identity.ts'

/** The packages with these names, per repository, in the order of `urls`. Throws as `fetchRepositories`. */
export async function readKernelRepositories(
  urls: readonly string[],
  names: ReadonlySet<string>,
  options: { readonly allowInsecure: boolean },
): Promise<FetchedRepository[]> {
  return await fetchRepositories(urls, names, repositoryFormats, options)
}

/**
 * Downloads kernel and extra packages into `directory` and makes sure that each is the package it was taken for.
 * Throws as `downloadPackages`, and RPM_INVALID, CHECKSUM_MISMATCH, RPM_IDENTITY_MISMATCH.
 */
export async function downloadKernel(
  kernel: KernelPackages,
  directory: string,
  options: { readonly allowInsecure: boolean },
): Promise<DownloadedPackage[]> {
  const downloaded = await downloadPackages([...kernel.packages, ...kernel.extraPackages], directory, options)
  for (const one of downloaded) {
    const file = parseRpm(await readPackage(one.path), one.package.location)
    checkIdentity(file.header, one.package)
    checkRpmDigests(file)
  }
  return downloaded
}
