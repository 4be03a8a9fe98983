// What a built image must be before anything is pushed (D9). All findings together.

import { ToolError } from '../errors.ts'
import { parsePe } from '../formats/pe/pe.ts'
import { type Evr, formatEvr } from '../formats/rpm/version.ts'
import type { BootFileRole } from './boot-file.ts'
import type { ImageContents } from './image-contents.ts'

/** One package that the build had to install. */
export interface ExpectedPackage {
  readonly name: string
  readonly evr: Evr
  readonly arch: string
}

export interface BuiltImage {
  readonly built: ImageContents
  readonly base: ImageContents
  /** `uname -r` of the kernel that was asked for. */
  readonly release: string
  /** The kernel's packages and the extra ones. */
  readonly packages: readonly ExpectedPackage[]
  /** Names in the initramfs of the built image, or why they cannot be had; undefined where it has none. */
  readonly initramfs: readonly string[] | ToolError | undefined
}

/** All faults of a built image; none when it may be pushed. Codes are those of errors.ts, "image contents", and PE_INVALID. */
export function checkBuiltImage(image: BuiltImage): ToolError[] {
  return [
    ...image.built.problems,
    ...checkLayers(image),
    ...checkKernel(image),
    ...checkInitramfs(image),
    ...checkPackages(image),
    ...checkBootLoaders(image),
    ...checkBootDirectory(image),
    ...checkNodeSoftware(image),
    ...checkKernelHmac(image),
  ]
}

type Code = ConstructorParameters<typeof ToolError>[0]

function finding(
  image: BuiltImage,
  code: Code,
  message: string,
  details: { found?: string; wanted?: string; path?: string },
): ToolError {
  const { path, ...rest } = details
  return new ToolError(code, message, {
    ...rest,
    where: { source: image.built.source, ...(path === undefined ? {} : { path }) },
  })
}

/** At most ten of a list, and how many more. */
function some(texts: readonly string[]): string {
  return texts.slice(0, 10).join(', ') + (texts.length > 10 ? ` and ${texts.length - 10} more` : '')
}

const bytesOf = (contents: ImageContents, role: BootFileRole): Uint8Array | undefined =>
  contents.bootFiles.find(file => file.role === role)?.bytes

const same = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one !== undefined && other !== undefined && Buffer.compare(one, other) === 0

function checkLayers(image: BuiltImage): ToolError[] {
  const { built, base } = image
  const different = base.diffIds.findIndex((diffId, index) => built.diffIds[index] !== diffId)
  if (different < 0) return []
  return [
    finding(image, 'IMAGE_NOT_ON_BASE', 'the built image does not begin with the layers of its base', {
      found: `layer ${different + 1}: ${built.diffIds[different] ?? 'none'}`,
      wanted: `${base.diffIds[different]} of ${base.source}`,
    }),
  ]
}

function checkKernel(image: BuiltImage): ToolError[] {
  const { built, release } = image
  const faults: ToolError[] = []
  if (built.kernelRelease !== null && built.kernelRelease !== release)
    faults.push(
      finding(image, 'KERNEL_RELEASE_MISMATCH', 'the image has another kernel than the one asked for', {
        found: built.kernelRelease,
        wanted: release,
        path: 'usr/lib/modules',
      }),
    )
  const kernel = built.bootFiles.find(file => file.role === 'kernel')
  if (kernel === undefined) return faults
  try {
    if (parsePe(kernel.bytes, `${built.source}, ${kernel.path}`).signatures.length === 0)
      faults.push(
        finding(image, 'KERNEL_UNSIGNED', 'the kernel has no Authenticode signature', {
          found: 'an empty certificate table',
          path: kernel.path,
        }),
      )
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    faults.push(error)
  }
  return faults
}

function checkInitramfs(image: BuiltImage): ToolError[] {
  const { built, initramfs, release } = image
  if (built.kernelRelease === null) return []
  const path = `usr/lib/modules/${built.kernelRelease}/initramfs.img`
  const bytes = bytesOf(built, 'initramfs')
  if (bytes === undefined || bytes.length === 0)
    return [
      finding(image, 'INITRAMFS_MISSING', 'the image has no initramfs', {
        found: bytes === undefined ? 'no file' : 'an empty file',
        path,
      }),
    ]
  if (initramfs instanceof ToolError) return [initramfs]
  const modules = [`usr/lib/modules/${release}/`, `lib/modules/${release}/`]
  if (initramfs?.some(name => modules.some(directory => name.startsWith(directory)))) return []
  const others = new Set(
    (initramfs ?? [])
      .map(name => /^(?:usr\/)?lib\/modules\/([^/]+)/.exec(name)?.[1])
      .filter(name => name !== undefined),
  )
  return [
    finding(image, 'INITRAMFS_INVALID', 'the initramfs has no modules of this kernel', {
      found: others.size === 0 ? 'no modules' : `modules of ${some([...others])}`,
      wanted: `files below ${modules[0]}`,
      path,
    }),
  ]
}

function checkPackages(image: BuiltImage): ToolError[] {
  const { built, packages } = image
  if (built.packages === null)
    return [finding(image, 'RPMDB_UNREADABLE', 'the image has no RPM database', { wanted: 'rpmdb.sqlite' })]
  const faults: string[] = []
  for (const wanted of packages) {
    const installed = built.packages.filter(one => one.name === wanted.name)
    const fits = (one: { evr: Evr; arch: string | null }) =>
      formatEvr(one.evr) === formatEvr(wanted.evr) && one.arch === wanted.arch
    const names = installed.map(one => `${one.name}-${formatEvr(one.evr)}.${one.arch}`)
    if (!installed.some(fits)) faults.push(`${wanted.name}-${formatEvr(wanted.evr)}.${wanted.arch} is not installed`)
    for (const [index, one] of installed.entries()) if (!fits(one)) faults.push(`${names[index]} is still installed`)
  }
  if (faults.length === 0) return []
  return [
    finding(image, 'RPMDB_MISMATCH', 'the RPM database does not agree with the packages that were installed', {
      found: some(faults),
      wanted: 'each package once, at the version that was chosen',
    }),
  ]
}

function checkBootLoaders(image: BuiltImage): ToolError[] {
  return (['shim', 'grub'] as const)
    .filter(role => bytesOf(image.built, role) !== undefined)
    .filter(role => !same(bytesOf(image.built, role), bytesOf(image.base, role)))
    .map(role =>
      finding(image, 'BOOT_LOADER_CHANGED', `${role} is not the one of the base image`, {
        wanted: `the bytes that ${image.base.source} has`,
        path: image.built.bootFiles.find(file => file.role === role)?.path ?? role,
      }),
    )
}

function checkBootDirectory(image: BuiltImage): ToolError[] {
  const added = [...image.built.listing].filter(path => path.startsWith('boot/') && !image.base.listing.has(path))
  if (added.length === 0) return []
  return [
    finding(image, 'BOOT_DIRECTORY_NOT_EMPTY', 'the build put files below /boot', {
      found: some(added),
      wanted: 'nothing that the base did not have',
      path: 'boot',
    }),
  ]
}

function checkNodeSoftware(image: BuiltImage): ToolError[] {
  const missing = ['usr/bin/kubelet', 'usr/bin/crio'].filter(
    path => image.base.listing.has(path) && !image.built.listing.has(path),
  )
  if (missing.length === 0) return []
  return [
    finding(image, 'NODE_SOFTWARE_MISSING', 'programs that a node needs are gone', {
      found: `no ${missing.join(', no ')}`,
      wanted: 'all that the base has',
    }),
  ]
}

/** libkcapi's sha512hmac writes the HMAC and the name; it is compared at boot in FIPS mode. */
const hmacLine = /^[0-9a-f]{128} [ *]\S*vmlinuz\S*\n?$/

function checkKernelHmac(image: BuiltImage): ToolError[] {
  const { built, base } = image
  if (base.kernelHmac === null || built.kernelRelease === null) return []
  const path = `usr/lib/modules/${built.kernelRelease}/.vmlinuz.hmac`
  const refuse = (found: string) => [
    finding(image, 'KERNEL_HMAC_MISSING', 'the kernel has no .vmlinuz.hmac that fits', { found, path }),
  ]
  if (built.kernelHmac === null) return refuse('no file')
  if (!hmacLine.test(new TextDecoder().decode(built.kernelHmac.subarray(0, 1024)))) return refuse('no HMAC in it')
  const kernelChanged = !same(bytesOf(built, 'kernel'), bytesOf(base, 'kernel'))
  return kernelChanged && same(built.kernelHmac, base.kernelHmac) ? refuse('the HMAC of the base’s kernel') : []
}
