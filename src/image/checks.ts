// What a built image must be before anything is pushed (D9). All findings together.

import type { ToolError } from '../errors.ts'
import { type Evr, formatEvr } from '../formats/rpm/version.ts'
import { checkBootDirectory, checkBootLoaders } from './boot-place-checks.ts'
import { type BuiltImage, finding, some } from './finding.ts'
import { checkInitramfs, checkKernel, checkKernelHmac, checkModules, checkUnifiedKernel } from './kernel-checks.ts'
import { checkKubelet } from './kubelet-checks.ts'

/** All faults of a built image; none when it may be pushed. Codes are those of errors.ts, "image contents", and PE_INVALID. */
export function checkBuiltImage(image: BuiltImage): ToolError[] {
  const loaders = checkBootLoaders(image)
  return [
    // a loader that is there twice because the build changed or added one is told once
    ...image.built.problems.filter(({ code }) => loaders.length === 0 || code !== 'BOOT_LOADER_NOT_UNIQUE'),
    ...checkLayers(image),
    ...checkKernel(image),
    ...checkModules(image),
    ...checkUnifiedKernel(image),
    ...checkInitramfs(image),
    ...checkPackages(image),
    ...loaders,
    ...checkBootDirectory(image),
    ...checkNodeSoftware(image),
    ...checkNodePackages(image),
    ...checkKubelet(image),
    ...checkKernelHmac(image),
  ]
}

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

/** Which kubelet a node may have is the cluster's affair: one that the build changed would join as another version. */
const nodePackages = ['kubelet', 'openshift-kubelet', 'openshift-hyperkube', 'cri-o']

function checkNodePackages(image: BuiltImage): ToolError[] {
  // an unreadable RPM database is a finding of its own
  if (image.built.packages === null) return []
  const faults: string[] = []
  for (const name of nodePackages) {
    const [base, built] = [image.base.packages, image.built.packages].map(packages =>
      (packages ?? [])
        .filter(one => one.name === name)
        .map(one => `${name}-${formatEvr(one.evr)}.${one.arch}`)
        .sort()
        .join(' '),
    )
    if (base !== '' && base !== built) faults.push(`${built || 'nothing'} instead of ${base}`)
  }
  if (faults.length === 0) return []
  return [
    finding(image, 'NODE_SOFTWARE_CHANGED', 'the build changed packages that a node needs', {
      found: faults.join(', '),
      wanted: 'the versions that the base has',
    }),
  ]
}
