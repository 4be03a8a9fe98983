// Asks the kernel repositories and downloads the chosen packages; joins edge with the formats and checks it needs.

import { type FetchedRepository, fetchRepositories } from '../edge/repository-metadata.ts'
import { type DownloadedPackage, downloadPackages, type PackageOptions, readPackage } from '../edge/rpm-repository.ts'
import { ToolError } from '../errors.ts'
import { fileSha256, listsFile } from '../formats/rpm/file-list.ts'
import { type HeaderStructure, type RpmHeader, readMainHeader } from '../formats/rpm/header.ts'
import { repositoryFormats } from '../formats/rpm/repository-formats.ts'
import type { KernelPackages } from '../kernel/kernel-packages.ts'
import { type PackageTrust, trustPackage } from './package-trust.ts'

/** The packages with these names, per repository, in the order of `urls`. Throws as `fetchRepositories`. */
export async function readKernelRepositories(
  urls: readonly string[],
  names: ReadonlySet<string>,
  options: PackageOptions,
): Promise<FetchedRepository[]> {
  return await fetchRepositories(urls, names, repositoryFormats, options)
}

/** A package that passed every check. */
export interface VerifiedPackage extends DownloadedPackage {
  readonly header: RpmHeader
  /** The signed header behind it: dependencies, changelog. */
  readonly structure: HeaderStructure
  /** Fingerprint of the pinned key that signed it, upper-case hex; null: none did, and `allow-unsigned-packages` is true. */
  readonly signer: string | null
}

export interface DownloadedKernel {
  /** In the order of the kernel's packages, then the extra ones. */
  readonly packages: readonly VerifiedPackage[]
  /** SHA-256, hex, of the kernel in kernel-core: what the image must hold. */
  readonly vmlinuzSha256: string
  /** Of its `.vmlinuz.hmac`; undefined where kernel-core has none. */
  readonly hmacSha256: string | undefined
}

/**
 * Downloads kernel and extra packages into `directory` and checks each, one after another: size and checksum, signature, payload, identity.
 * Throws as `downloadPackages` and `trustPackage`, and RPM_INVALID for a kernel-core without kernel.
 */
export async function downloadKernel(
  kernel: KernelPackages,
  directory: string,
  options: PackageOptions & { readonly trust: PackageTrust },
): Promise<DownloadedKernel> {
  const downloaded = await downloadPackages([...kernel.packages, ...kernel.extraPackages], directory, options)
  const packages: VerifiedPackage[] = []
  let vmlinuzSha256: string | undefined
  let hmacSha256: string | undefined
  for (const one of downloaded) {
    const { file, signer } = await trustPackage(await readPackage(one.path), one.package, options.trust)
    // a copy: the header must not keep the whole file in memory
    const structure = readMainHeader(file.headerBytes.slice(), file.source)
    packages.push({ ...one, header: file.header, structure, signer })
    if (one.package.name !== 'kernel-core') continue
    const modules = `lib/modules/${kernel.release}`
    vmlinuzSha256 = fileSha256(file, `${modules}/vmlinuz`)
    if (listsFile(file, `${modules}/.vmlinuz.hmac`)) hmacSha256 = fileSha256(file, `${modules}/.vmlinuz.hmac`)
  }
  if (vmlinuzSha256 === undefined)
    throw new ToolError('RPM_INVALID', 'no package of the kernel is kernel-core', {
      found: kernel.packages.map(({ name }) => name).join(' '),
      wanted: 'kernel-core, which holds the kernel',
    })
  return { packages, vmlinuzSha256, hmacSha256 }
}
