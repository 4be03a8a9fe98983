// A stand-in for a CoreOS base image: boot files where CoreOS has them, a real RPM database, programs that do what rpm-ostree and ostree do in a build.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { makeGrub, makeShim, type Seed, seededBytes, vendorKeys } from './boot-files.ts'
import { runtimeLayer } from './image-runtime.ts'
import { kernelRelease, makeKernelRpms, type PackagedRpm } from './kernel-rpms.ts'
import { type LayerEntry, makeLayer } from './layer.ts'
import { type MadeImage, makeImage } from './oci-layout.ts'
import { makePe } from './pe.ts'
import { makeRpm } from './rpm.ts'
import { bundleStandIn } from './stand-in/bundle.ts'
import { faultFile, type StandInFault } from './stand-in/faults.ts'
import { layerPackages, rpmDatabaseFile } from './stand-in/layer-packages.ts'
import { readTree, treeDifference, writeTree } from './tree.ts'

export interface BaseImageParts {
  readonly osRelease: string
  /** Directory below EFI that holds shim and GRUB. */
  readonly vendor: string
  /** Puts boot loaders below usr/lib/efi, as Fedora 44 does, and nothing where bootupd had them before. */
  readonly inUsrLibEfi?: boolean
  readonly labels?: Readonly<Record<string, string>>
  readonly shim: Uint8Array
  readonly grub: Uint8Array
  readonly mokManager: Uint8Array
  readonly kernelPackages: readonly PackagedRpm[]
  /** Adds Node.js and a shell, so that a container builder can run the stand-ins. */
  readonly withRuntime?: boolean
  readonly fault?: StandInFault
  /** Paths to leave out, for bases that are to be refused. */
  readonly without?: readonly string[]
  readonly kubeletVersion?: string
  /** Version of the package openshift-kubelet; 1.0 when left out. */
  readonly kubeletPackage?: string
  /** Makes rpmdb.sqlite of these packages; the stand-in's own writer when left out. */
  readonly makeRpmDatabase?: (packages: readonly PackagedRpm[]) => Uint8Array
}

export interface BaseImage {
  readonly image: MadeImage
  /** All files but those of the runtime. */
  readonly entries: readonly LayerEntry[]
  readonly kernelRelease: string
}

export interface SyntheticBase {
  readonly seed: Seed
  readonly version?: string
  readonly release?: string
  /** Name of a known `.sbat`; redhat-2.12 when left out. */
  readonly grub?: string
  readonly withRuntime?: boolean
  readonly fault?: StandInFault
  readonly without?: readonly string[]
}

/** A base image of synthetic boot files; kernel 5.14.0-570.el9 unless another is asked for. */
export async function makeBaseImage(wanted: SyntheticBase): Promise<BaseImage> {
  const { seed, version = '5.14.0', release = '570.el9', grub = 'redhat-2.12' } = wanted
  return makeBaseImageOf({
    osRelease:
      'NAME="Stand-in CoreOS"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.6"\nPRETTY_NAME="Stand-in CoreOS 9.6"\nVARIANT_ID=coreos\n',
    vendor: 'redhat',
    shim: makeShim({ seed }),
    grub: makeGrub({ seed, sbat: grub }),
    mokManager: makePe(
      { sections: [{ name: '.text', data: seededBytes(`${seed}/mok-manager`, 800) }] },
      vendorKeys(seed).signer,
    ),
    kernelPackages: makeKernelRpms({ seed, version, release }),
    ...(wanted.withRuntime === undefined ? {} : { withRuntime: wanted.withRuntime }),
    ...(wanted.fault === undefined ? {} : { fault: wanted.fault }),
    ...(wanted.without === undefined ? {} : { without: wanted.without }),
  })
}

/** A base image of given boot files and kernel packages. */
export async function makeBaseImageOf(parts: BaseImageParts): Promise<BaseImage> {
  const core = parts.kernelPackages.find(({ name }) => name === 'kernel-core')
  if (core === undefined) throw new Error('a base image needs kernel-core')
  const release = kernelRelease(core.input)
  const programs = { 'rpm-ostree': await bundleStandIn('rpm-ostree'), ostree: await bundleStandIn('ostree') }
  const entries = inTemporaryDirectory(root => {
    writeBase(root, parts, programs)
    return readTree(root)
  })
  const layers = [makeLayer(entries), ...(parts.withRuntime === true ? [runtimeLayer()] : [])]
  return { image: imageOf(layers, { ...baseLabels(release), ...parts.labels }), entries, kernelRelease: release }
}

export interface LayeredImageParts {
  readonly base: BaseImage
  /** replace: the kernel's packages; install: extra ones. */
  readonly replace: readonly PackagedRpm[]
  readonly install?: readonly PackagedRpm[]
  readonly labels?: Readonly<Record<string, string>>
}

/** The image that a container build would make, by the same stand-in, without a container builder. */
export function assembleLayeredImage({ base, replace, install = [], labels = {} }: LayeredImageParts): MadeImage {
  const difference = inTemporaryDirectory(root => {
    writeTree(root, base.entries)
    const files = (packages: readonly PackagedRpm[]) => packages.map(({ file, bytes }) => ({ name: file, bytes }))
    layerPackages({ root, how: 'replace', files: files(replace) })
    if (install.length > 0) layerPackages({ root, how: 'install', files: files(install) })
    return treeDifference(base.entries, readTree(root))
  })
  const layers = [...base.image.layers, makeLayer(difference)]
  return imageOf(layers, { ...baseLabels(base.kernelRelease), ...labels })
}

function imageOf(layers: MadeImage['layers'], labels: Readonly<Record<string, string>>): MadeImage {
  return makeImage({
    layers,
    config: {
      created: '2026-01-01T00:00:00Z',
      config: { Labels: labels, Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin'] },
      history: layers.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'stand-in' })),
    },
  })
}

/** As CoreOS images have them; `ostree.linux` stays at the base's kernel in a layered image. */
function baseLabels(release: string): Readonly<Record<string, string>> {
  return {
    'containers.bootc': '1',
    'ostree.bootable': 'true',
    'ostree.linux': release,
    'org.opencontainers.image.version': '9.6.20260101-0',
  }
}

function writeBase(root: string, parts: BaseImageParts, programs: Readonly<Record<string, Uint8Array>>): void {
  const write = (path: string, content: Uint8Array | string, mode = 0o644) => {
    if (parts.without?.includes(path)) return
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content, { mode })
  }
  for (const path of [
    'boot',
    'dev',
    'proc',
    'run',
    'sys',
    'tmp',
    'var/tmp',
    'usr/sbin',
    'usr/lib64',
    'usr/lib/modules',
  ])
    mkdirSync(join(root, path), { recursive: true })
  for (const path of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${path}`, join(root, path))
  symlinkSync('sysroot/ostree', join(root, 'ostree'))
  write('sysroot/ostree/repo/config', '[core]\nrepo_version=1\nmode=bare-split-xattrs\n')
  write('usr/lib/os-release', parts.osRelease)
  mkdirSync(join(root, 'etc'))
  symlinkSync('../usr/lib/os-release', join(root, 'etc/os-release'))
  for (const [name, script] of Object.entries(programs)) write(`usr/bin/${name}`, script, 0o755)
  const version = parts.kubeletVersion ?? 'v1.32.5'
  write('usr/bin/kubelet', `#!/bin/sh\necho Kubernetes ${version}\n`, 0o755)
  write('usr/bin/crio', '#!/bin/sh\necho crio version 1.32.5\n', 0o755)
  const top = (name: string) =>
    parts.inUsrLibEfi === true ? `usr/lib/efi/${name}/1-1/EFI` : 'usr/lib/bootupd/updates/EFI'
  write(`${top('shim')}/${parts.vendor}/shimx64.efi`, parts.shim, 0o700)
  write(`${top('grub2')}/${parts.vendor}/grubx64.efi`, parts.grub, 0o700)
  write(`${top('shim')}/${parts.vendor}/mmx64.efi`, parts.mokManager, 0o700)
  write(`${top('shim')}/BOOT/BOOTX64.EFI`, parts.shim, 0o700)
  mkdirSync(join(root, 'usr/share/rpm'), { recursive: true })
  const others = ['bash', 'openshift-kubelet', 'rpm-ostree'].map(name => {
    const version = (name === 'openshift-kubelet' ? parts.kubeletPackage : undefined) ?? '1.0'
    const input = { name, version, release: '1.el9' }
    return { name, file: `${name}-${version}-1.el9.x86_64.rpm`, bytes: makeRpm(input), input }
  })
  const all = [...others, ...parts.kernelPackages]
  layerPackages({ root, how: 'install', files: all.map(({ file, bytes }) => ({ name: file, bytes })) })
  if (parts.makeRpmDatabase !== undefined) write(rpmDatabaseFile, parts.makeRpmDatabase(all))
  if (parts.fault !== undefined) write(faultFile, `${parts.fault}\n`)
  for (const path of parts.without ?? []) rmSync(join(root, path), { recursive: true, force: true })
}

function inTemporaryDirectory<T>(work: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), 'stand-in-'))
  try {
    return work(root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
