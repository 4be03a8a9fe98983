// The real variant of the stand-in base: Debian's signed shim, GRUB and kernel where CoreOS has them.

import { type BaseImage, makeBaseImageOf } from '../base-image.ts'
import type { PackagedRpm } from '../kernel-rpms.ts'
import type { StandInFault } from '../stand-in/faults.ts'
import { type RealFiles, realFiles } from './debian-packages.ts'
import { buildKernelRpms, rpmDatabaseOf } from './kernel-packages.ts'

/** GRUB 2.12 measures the kernel once, 2.06 twice; the second cannot be approved by the trusted-execution-clusters operator. */
export type RealGrub = '2.12' | '2.06'

export interface RealVariant {
  readonly files: RealFiles
  readonly base: BaseImage
  /** Of the kernel in the base. */
  readonly oldPackages: readonly PackagedRpm[]
  readonly newPackages: readonly PackagedRpm[]
}

const packages = new Map<number, readonly PackagedRpm[]>()

function kernelRpms(kernel: RealFiles['oldKernel']): readonly PackagedRpm[] {
  const known = packages.get(kernel.build) ?? buildKernelRpms(kernel)
  packages.set(kernel.build, known)
  return known
}

/** Fetches, builds and assembles; takes half a minute the first time. */
export async function makeRealVariant(
  grub: RealGrub,
  options: { readonly withRuntime?: boolean; readonly fault?: StandInFault } = {},
): Promise<RealVariant> {
  const files = realFiles()
  const oldPackages = kernelRpms(files.oldKernel)
  const base = await makeBaseImageOf({
    osRelease: 'NAME="Stand-in CoreOS"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.6"\nVARIANT_ID=coreos\n',
    vendor: 'debian',
    shim: files.shim,
    grub: grub === '2.12' ? files.grub212 : files.grub206,
    mokManager: files.mokManager,
    kernelPackages: oldPackages,
    makeRpmDatabase: rpmDatabaseOf,
    ...options,
  })
  return { files, base, oldPackages, newPackages: kernelRpms(files.newKernel) }
}
