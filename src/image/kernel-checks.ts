// Kernel, modules, initramfs and HMAC of a built image (D9).

import { ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import { parsePe } from '../formats/pe/pe.ts'
import type { BootFileRole } from './boot-file.ts'
import { type BuiltImage, finding, some } from './finding.ts'
import type { ImageContents } from './image-contents.ts'
import { modulesDirectory } from './places.ts'

const bytesOf = (contents: ImageContents, role: BootFileRole): Uint8Array | undefined =>
  contents.bootFiles.find(file => file.role === role)?.bytes

const same = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one !== undefined && other !== undefined && Buffer.compare(one, other) === 0

/** The one kernel is of the release asked for, byte by byte that of its package, and signed. Faults: KERNEL_RELEASE_MISMATCH, KERNEL_UNSIGNED, PE_INVALID. */
export function checkKernel(image: BuiltImage): ToolError[] {
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
  const digest = sha256Hex(kernel.bytes)
  // a directory's name is no proof: the old kernel may lie below the new name
  if (built.kernelRelease === release && digest !== image.vmlinuzSha256)
    faults.push(
      finding(image, 'KERNEL_RELEASE_MISMATCH', 'the kernel in the image is not the one of the package kernel-core', {
        found: `sha256 ${digest}`,
        wanted: `sha256 ${image.vmlinuzSha256}`,
        path: kernel.path,
      }),
    )
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

/** Faults: INITRAMFS_MISSING, INITRAMFS_INVALID. */
export function checkInitramfs(image: BuiltImage): ToolError[] {
  const { built, initramfs, release, unifiedKernel } = image
  const unified = built.bootFiles.find(({ role }) => role === 'uki')
  // findings of their own: no kernel, several, no clear boot chain, a unified kernel image that cannot be read
  if (built.kernelRelease === null && unified === undefined) return []
  if (built.bootChain === undefined || unifiedKernel instanceof ToolError) return []
  if (initramfs === undefined || initramfs.size === 0)
    return [
      finding(image, 'INITRAMFS_MISSING', 'the image has no initramfs', {
        found: initramfs === undefined ? 'no file' : 'an empty file',
        path: unified?.path ?? `${modulesDirectory}/${built.kernelRelease}/initramfs.img`,
      }),
    ]
  if (initramfs.names instanceof ToolError) return [initramfs.names]
  const faults = initramfsFaults(initramfs.names, release)
  if (faults.length === 0) return []
  return [
    finding(image, 'INITRAMFS_INVALID', 'the initramfs is not one for this kernel', {
      found: faults.join('; '),
      wanted: `an init program, and modules below usr/lib/modules/${release} only`,
      path: initramfs.path,
    }),
  ]
}

/** A unified kernel image holds the new kernel, byte for byte that of its package. Faults: UKI_NOT_REBUILT, and why it cannot be read. */
export function checkUnifiedKernel(image: BuiltImage): ToolError[] {
  const { unifiedKernel, vmlinuzSha256 } = image
  if (unifiedKernel === undefined) return []
  if (unifiedKernel instanceof ToolError) return [unifiedKernel]
  if (unifiedKernel.linuxSha256 === vmlinuzSha256) return []
  return [
    finding(image, 'UKI_NOT_REBUILT', 'the unified kernel image does not hold the kernel of the package kernel-core', {
      found: `.linux with sha256 ${unifiedKernel.linuxSha256}`,
      wanted: `sha256 ${vmlinuzSha256}`,
      path: unifiedKernel.path,
    }),
  ]
}

/** Where depmod indexed the modules of the base's kernel, it did so for the new one: udev finds none else. Fault: MODULES_NOT_INDEXED. */
export function checkModules({ built, base, ...image }: BuiltImage): ToolError[] {
  const index = (release: string | null) => `${modulesDirectory}/${release}/modules.dep`
  const { kernelRelease } = built
  if (kernelRelease === null || !base.listing.has(index(base.kernelRelease))) return []
  if (built.listing.has(index(kernelRelease))) return []
  return [
    finding({ built, base, ...image }, 'MODULES_NOT_INDEXED', 'the modules of the kernel are not indexed', {
      found: 'no file',
      path: index(kernelRelease),
    }),
  ]
}

/** What the kernel starts first; /init of dracut is a link to systemd. */
const initPrograms = ['init', 'sbin/init', 'usr/sbin/init', 'usr/lib/systemd/systemd']
const inModules = /^(?:usr\/)?lib\/modules\/([^/]+)(\/.+\.ko(?:\.(?:xz|gz|zst))?$)?/

function initramfsFaults(names: readonly string[], release: string): string[] {
  const releases = new Set<string>()
  let modules = 0
  for (const name of names) {
    const [, of, module] = inModules.exec(name) ?? []
    if (of !== undefined) releases.add(of)
    if (of === release && module !== undefined) modules += 1
  }
  const others = [...releases].filter(one => one !== release)
  return [
    ...(names.some(name => initPrograms.includes(name)) ? [] : ['no init program']),
    ...(modules > 0 ? [] : [`no modules of ${release}`]),
    ...(others.length === 0 ? [] : [`modules of ${some(others)}`]),
  ]
}

/** libkcapi's sha512hmac writes the HMAC and the name; it is compared at boot in FIPS mode. */
const hmacLine = /^[0-9a-f]{128} [ *]\S*vmlinuz\S*\n?$/

/** Where the base has an HMAC beside its kernel, the image has that of its own kernel's package. Fault: KERNEL_HMAC_MISSING. */
export function checkKernelHmac(image: BuiltImage): ToolError[] {
  const { built, base, hmacSha256 } = image
  if (base.kernelHmac === null || built.kernelRelease === null) return []
  const path = `${modulesDirectory}/${built.kernelRelease}/.vmlinuz.hmac`
  const refuse = (found: string) => [
    finding(image, 'KERNEL_HMAC_MISSING', 'the kernel has no .vmlinuz.hmac that fits', { found, path }),
  ]
  if (built.kernelHmac === null) return refuse('no file')
  if (!hmacLine.test(new TextDecoder().decode(built.kernelHmac.subarray(0, 1024)))) return refuse('no HMAC in it')
  const kernelChanged = !same(bytesOf(built, 'kernel'), bytesOf(base, 'kernel'))
  if (kernelChanged && same(built.kernelHmac, base.kernelHmac)) return refuse('the HMAC of the base’s kernel')
  if (hmacSha256 === undefined || sha256Hex(built.kernelHmac) === hmacSha256) return []
  return refuse('another file than the package kernel-core has')
}
