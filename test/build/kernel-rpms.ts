// The five packages of a kernel as RHEL and CentOS Stream 9 split it, small, with module files of random bytes.

import { createHmac } from 'node:crypto'
import { makeKernel, type Seed, seededBytes } from './boot-files.ts'
import { makeRpm, type RpmFileInput, type RpmInput } from './rpm.ts'

export interface KernelToPackage {
  readonly seed: Seed
  /** 5.14.0 */
  readonly version: string
  /** 605.el9 */
  readonly release: string
  /** x86_64 by default. */
  readonly arch?: string
  /** A synthetic kernel of the seed when left out. */
  readonly vmlinuz?: Uint8Array
  readonly compression?: 'gzip' | 'zstd'
  readonly changelog?: RpmInput['changelog']
}

export interface PackagedRpm {
  readonly name: string
  /** name-version-release.arch.rpm */
  readonly file: string
  readonly bytes: Uint8Array
  readonly input: RpmInput
}

/** What `uname -r` prints. */
export function kernelRelease(kernel: Pick<KernelToPackage, 'version' | 'release' | 'arch'>): string {
  return `${kernel.version}-${kernel.release}.${kernel.arch ?? 'x86_64'}`
}

/** The key that sha512hmac of hmaccalc and libkcapi has built in. */
const hmacKey = 'FIPS-FTW-RHEL2009'

export function makeKernelRpms(kernel: KernelToPackage): PackagedRpm[] {
  const { seed, version, release, arch = 'x86_64' } = kernel
  const uname = kernelRelease(kernel)
  const directory = `/lib/modules/${uname}`
  const vmlinuz = kernel.vmlinuz ?? makeKernel({ seed, release: uname })
  const hmac = createHmac('sha512', hmacKey).update(vmlinuz).digest('hex')
  const module = (path: string): RpmFileInput => ({
    path: `${directory}/kernel/${path}`,
    content: seededBytes(`${seed}/${uname}/${path}`, 900),
  })
  const files: Readonly<Record<string, readonly RpmFileInput[]>> = {
    kernel: [],
    'kernel-core': [
      { path: directory, directory: true },
      { path: `${directory}/vmlinuz`, content: vmlinuz, mode: 0o755 },
      { path: `${directory}/.vmlinuz.hmac`, content: `${hmac}  vmlinuz\n` },
      { path: `${directory}/config`, content: 'CONFIG_X86_64=y\nCONFIG_EFI_STUB=y\n' },
      { path: `${directory}/modules.builtin`, content: 'kernel/crypto/sha256.ko\n' },
    ],
    'kernel-modules-core': ['fs/xfs/xfs.ko', 'drivers/virtio/virtio.ko', 'drivers/block/virtio_blk.ko'].map(module),
    'kernel-modules': ['drivers/net/virtio_net.ko', 'net/ipv4/udp_tunnel.ko'].map(module),
    'kernel-modules-extra': ['net/sctp/sctp.ko'].map(module),
  }
  return Object.entries(files).map(([name, own]) => {
    const compression = kernel.compression === undefined ? {} : { compression: kernel.compression }
    const sourceRpm = `kernel-${version}-${release}.src.rpm`
    const input: RpmInput = {
      name,
      summary: `${name}, seed ${seed}`,
      version,
      release,
      arch,
      files: own,
      sourceRpm,
      ...compression,
      ...(kernel.changelog === undefined ? {} : { changelog: kernel.changelog }),
    }
    return { name, file: `${name}-${version}-${release}.${arch}.rpm`, bytes: makeRpm(input), input }
  })
}
