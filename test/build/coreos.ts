// Entries of a tiny CoreOS: boot loaders, one kernel with its initramfs, os-release, RPM database, as base and as layer on it.

import { createHash } from 'node:crypto'
import { makeGrub, makeInitramfs, makeKernel, makeShim } from './boot-files.ts'
import { directory, file, type LayerEntry, whiteout } from './layer.ts'
import { makeHeaderBlob, makeRpmDatabase, type PackageToInstall } from './rpm-database.ts'

export const vendorDirectory = 'usr/lib/bootupd/updates/EFI/test'
export const databasePath = 'usr/share/rpm/rpmdb.sqlite'

/** `6.1.0-56.x86_64` as version and release. */
function evrOf(release: string) {
  const [version = '', rest = ''] = release.split('-')
  return { epoch: 0, version, release: rest.replace(/\.x86_64$/, '') }
}

/** The kernel's packages at a release. */
export function kernelPackages(release: string) {
  return ['kernel', 'kernel-core', 'kernel-modules'].map(name => ({ name, evr: evrOf(release), arch: 'x86_64' }))
}

export const nodePackages: readonly PackageToInstall[] = [
  { name: 'openshift-kubelet', evr: { epoch: 0, version: '4.20.0', release: '1.el9' }, arch: 'x86_64' },
  { name: 'cri-o', evr: { epoch: 0, version: '1.33.5', release: '1.el9' }, arch: 'x86_64' },
]

export function rpmDatabase(release: string, others = nodePackages): LayerEntry {
  const packages = [
    { name: 'systemd', evr: { epoch: 0, version: '257', release: '1' }, arch: 'x86_64' },
    ...others,
    ...kernelPackages(release),
  ]
  return file(databasePath, makeRpmDatabase(packages.map(makeHeaderBlob), { wal: true }).database)
}

export function kernelFiles(release: string, seed = 'seed'): LayerEntry[] {
  const kernel = makeKernel({ seed, release })
  const hmac = createHash('sha512').update(kernel).digest('hex')
  return [
    directory(`usr/lib/modules/${release}/`),
    file(`usr/lib/modules/${release}/initramfs.img`, makeInitramfs({ release })),
    file(`usr/lib/modules/${release}/modules.dep`, ''),
    file(`usr/lib/modules/${release}/.vmlinuz.hmac`, `${hmac}  vmlinuz\n`),
    file(`usr/lib/modules/${release}/vmlinuz`, kernel),
  ]
}

export function bootLoaderFiles(seed = 'seed'): LayerEntry[] {
  const shim = makeShim({ seed })
  return [
    file(`${vendorDirectory}/shimx64.efi`, shim),
    file(`${vendorDirectory}/grubx64.efi`, makeGrub({ seed })),
    file(`${vendorDirectory}/mmx64.efi`, 'MZ mok manager'),
    file('usr/lib/bootupd/updates/EFI/BOOT/BOOTX64.EFI', shim),
    file('usr/lib/bootupd/updates/EFI/BOOT/fbx64.efi', 'MZ fallback'),
  ]
}

export const systemFiles: readonly LayerEntry[] = [
  directory('boot/'),
  file('usr/lib/os-release', 'NAME="Test OS"\nID=test\nVERSION_ID="42.1"\n'),
  file('usr/bin/kubelet', 'kubelet'),
  file('usr/bin/crio', 'crio'),
  file('usr/bin/rpm-ostree', 'rpm-ostree'),
]

/** All of a base image in one layer. */
export function baseEntries(release: string, seed = 'seed'): LayerEntry[] {
  return [...systemFiles, ...bootLoaderFiles(seed), ...kernelFiles(release, seed), rpmDatabase(release)]
}

/** What a build with another kernel leaves, in podman's order. */
export function layeredEntries(from: string, to: string, seed = 'seed'): LayerEntry[] {
  return [whiteout(`usr/lib/modules/${from}`), ...kernelFiles(to, seed), rpmDatabase(to)]
}
