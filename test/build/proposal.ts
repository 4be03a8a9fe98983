// Makers of what a proposal is made from: settings, predictions, records. Deterministic from a seed.

import { sha256Hex } from '../../src/formats/bytes/digest.ts'
import type { OciDigest } from '../../src/formats/oci/digest.ts'
import type { RepositoryPackage } from '../../src/kernel/kernel-packages.ts'
import type { ImageRecord, RecordedPrediction } from '../../src/propose/record-schema.ts'
import type { Settings } from '../../src/settings/settings.ts'

export const hexOf = (seed: string): string => sha256Hex(Buffer.from(seed, 'utf8'))
export const digestOfSeed = (seed: string): OciDigest => `sha256:${hexOf(seed)}`
export const imageOf = (seed: string): string => `registry.example.com/team/rhcos-kernel@${digestOfSeed(seed)}`

export function makeSettings(changes: Partial<Settings> = {}): Settings {
  return {
    dryRun: false,
    architecture: 'amd64',
    directory: 'clusters/one',
    gitopsRepository: { owner: 'acme', name: 'fleet' },
    baseBranch: undefined,
    layout: 'auto',
    target: ['trusted-execution-clusters'],
    trusteeShape: undefined,
    valueLifetime: 365,
    namespace: 'trusted-execution-clusters',
    pools: ['worker'],
    machineConfigName: '99-{pool}-os-image',
    baseImage: {
      registry: 'registry.example.com',
      repository: 'coreos/base',
      tag: 'stable',
      digest: undefined,
    },
    baseFrom: 'reference',
    releaseImage: undefined,
    baseStream: undefined,
    baseRepositories: undefined,
    clusterVersion: undefined,
    clusterId: undefined,
    inCluster: false,
    kernelVersion: 'latest',
    kernelRepositories: ['https://mirror.example.com/baseos'],
    kernelRepositoryCa: undefined,
    repositoryMaxAge: 30,
    dist: undefined,
    extraPackages: [],
    allowDowngrade: false,
    allowInsecure: false,
    rpmKeys: [],
    allowUnsignedPackages: true,
    builder: 'auto',
    imageRepository: { registry: 'registry.example.com', repository: 'team/rhcos-kernel' },
    imageTag: '{kernel}-{base-short}-{change}',
    image: undefined,
    containerfile: undefined,
    bootChain: undefined,
    requireCoverage: ['kernel'],
    secureBoot: undefined,
    banks: ['sha256'],
    pcrLabel: 'auto',
    cache: true,
    cacheDirectory: undefined,
    ...changes,
  }
}

/** Secure Boot on, shim and GRUB from `loaders`, kernel from `kernel`. */
export function makePrediction(loaders: string, kernel: string): RecordedPrediction {
  const event = (pcr: number, part: string, seed: string, because: string) => ({
    pcr,
    type: pcr === 4 ? 'EV_EFI_BOOT_SERVICES_APPLICATION' : 'EV_IPL',
    digests: { sha256: hexOf(seed) },
    part,
    because,
  })
  return {
    platform: null,
    secureBoot: true,
    bootChain: 'shim-grub-linux',
    calibration: 'uncalibrated',
    pcrs: {
      '4': { sha256: hexOf(`pcr 4 ${loaders} ${kernel}`) },
      '14': { sha256: hexOf(`pcr 14 ${loaders}`) },
    },
    events: [
      event(4, 'Pcr4Shim', `shim ${loaders}`, 'shimx64.efi, loaded by the firmware'),
      event(4, 'Pcr4Grub', `grub ${loaders}`, 'grubx64.efi, loaded by shim'),
      event(4, 'Pcr4Vmlinuz', `kernel ${kernel}`, 'vmlinuz, loaded by GRUB through shim'),
      event(14, 'Pcr14MokList', `mok ${loaders}`, 'vendor certificate of shim'),
    ],
    coverage: {
      shim: { pcr: 4 },
      'boot-loader': { pcr: 4 },
      kernel: { pcr: 4 },
      initramfs: { pcr: null, because: 'GRUB measures it into PCR 9, which the policy does not check' },
      'command-line': { pcr: null, because: 'PCR 8 is not checked' },
      'root-file-system': { pcr: null, because: 'nothing measures it' },
    },
    notPredicted: [{ pcr: 7, because: 'no platform profile' }],
    notes: [],
  }
}

export function makeRecord(seed: string, changes: Partial<ImageRecord> = {}): ImageRecord {
  const release = `5.14.0-${seed.length}00.el9.x86_64`
  return {
    schemaVersion: 1,
    image: imageOf(seed),
    kind: 'layered',
    changeKey: hexOf(`key ${seed}`),
    created: '2026-11-21T02:00:00Z',
    base: {
      image: `registry.example.com/coreos/base@${digestOfSeed('base')}`,
      from: 'reference',
      tag: 'stable',
      layerDiffIds: { count: 3, chainDigest: digestOfSeed('chain') },
    },
    kernel: {
      release,
      packages: [
        {
          name: 'kernel-core',
          epoch: 0,
          version: '5.14.0',
          release: `${seed.length}00.el9`,
          arch: 'x86_64',
          sha256: hexOf(`rpm ${seed}`),
          size: 1234,
          location: `https://mirror.example.com/baseos/Packages/kernel-core-${release}.rpm`,
          signer: null,
        },
      ],
    },
    extraPackages: [],
    build: {
      containerfileSha256: hexOf('containerfile'),
      builder: 'podman',
      isolation: 'oci',
      network: 'none',
      runUrl: null,
    },
    pcrLabel: false,
    bootFiles: [
      { role: 'shim', path: 'usr/lib/x/shimx64.efi', layer: digestOfSeed('l1'), size: 10, sha256: hexOf('shim file') },
      { role: 'grub', path: 'usr/lib/x/grubx64.efi', layer: digestOfSeed('l1'), size: 10, sha256: hexOf('grub file') },
      { role: 'kernel', path: 'usr/lib/modules/v/vmlinuz', layer: digestOfSeed('l2'), size: 9, sha256: hexOf(seed) },
    ],
    predictions: [makePrediction('loaders', seed)],
    mixes: [],
    tool: { name: 'attested-os-update', version: '0.1.0' },
    ...changes,
  }
}

/** The record of the un-overridden base image that makeRecord's images stand on. */
export function makeBaseRecord(): ImageRecord {
  return makeRecord('base', {
    image: `registry.example.com/coreos/base@${digestOfSeed('base')}`,
    kind: 'base',
    changeKey: null,
    base: null,
    build: null,
    kernel: { release: '5.14.0-100.el9.x86_64', packages: [] },
  })
}

export function makePackage(changes: Partial<RepositoryPackage> = {}): RepositoryPackage {
  return {
    name: 'kernel-core',
    evr: { epoch: 0, version: '5.14.0', release: '600.el9' },
    arch: 'x86_64',
    checksum: hexOf('rpm'),
    checksumType: 'sha256',
    size: 1234,
    location: 'https://mirror.example.com/baseos/Packages/kernel-core.rpm',
    sourceRpm: null,
    ...changes,
  }
}

/** Files after a change, as a tree would hold them. */
export function applyChange(
  files: ReadonlyMap<string, string>,
  changes: readonly { readonly path: string; readonly content: string | null }[],
): Map<string, string> {
  const next = new Map(files)
  for (const { path, content } of changes) {
    if (content === null) next.delete(path)
    else next.set(path, content)
  }
  return next
}

/** Runs and gives the fault back, to be looked at; undefined when there is none. */
export function faultOf(work: () => unknown): unknown {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}
