// Synthetic boot files for tests and the demo: what a CoreOS image carries, tiny, valid and signed on the spot.

import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { makeSigningKey, type SigningKey } from './certificate.ts'
import { type CpioInput, makeCpio } from './cpio.ts'
import { makePe } from './pe.ts'

export type Seed = string | number

const text = (value: string) => new Uint8Array(Buffer.from(value, 'utf8'))

/** Bytes that depend on nothing but the seed. */
export function seededBytes(seed: Seed, length: number): Uint8Array {
  const blocks: Uint8Array[] = []
  for (let block = 0; block * 64 < length; block++)
    blocks.push(createHash('sha512').update(`${seed}/${block}`).digest())
  return new Uint8Array(Buffer.concat(blocks)).subarray(0, length)
}

/** The keys of a vendor: the CA whose certificate shim carries, and the key that signs GRUB and kernel. */
export function vendorKeys(seed: Seed): { readonly ca: SigningKey; readonly signer: SigningKey } {
  const ca = makeSigningKey(`${seed}/vendor-ca`, { commonName: `Synthetic Vendor CA ${seed}` })
  return { ca, signer: makeSigningKey(`${seed}/vendor`, { commonName: `Synthetic Vendor Signer ${seed}`, issuer: ca }) }
}

/** The key that signs shim, as Microsoft's UEFI CA would. */
export function firmwareKey(seed: Seed): SigningKey {
  return makeSigningKey(`${seed}/firmware-ca`, { commonName: `Synthetic UEFI CA ${seed}` })
}

/** `.sbat` texts with the rows by which a GRUB build is known. */
export const sbatTexts = {
  'debian-2.06': grubSbat('2.06', 'grub.debian,5,Debian,grub2,2.06-13+deb12u2,https://tracker.debian.org/pkg/grub2'),
  'debian-2.12': grubSbat('2.12', 'grub.debian,5,Debian,grub2,2.12-9+deb13u1,https://tracker.debian.org/pkg/grub2'),
  'redhat-2.06': grubSbat('2.06', 'grub.rh,2,Red Hat,grub2,2.06-104.el9_6,mailto:secalert@redhat.com'),
  'redhat-2.12': grubSbat('2.12', 'grub.rh,2,Red Hat,grub2,2.12-30.fc42,mailto:secalert@redhat.com'),
  unknown: grubSbat('2.06', 'grub.example,1,Example,grub2,2.06-1,mailto:secure@example.com'),
} as const

function sbat(...rows: readonly string[]): string {
  const first = 'sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md'
  return [first, ...rows].map(row => `${row}\n`).join('')
}

function grubSbat(version: string, vendorRow: string): string {
  return sbat(`grub,5,Free Software Foundation,grub,${version},https://www.gnu.org/software/grub/`, vendorRow)
}

export interface ShimToMake {
  readonly seed: Seed
  /** As `.data.ident` gives it; '16.1' when left out. */
  readonly version?: string
  /** DER, or signature lists; the vendor CA of the seed when left out; empty for none. */
  readonly vendorCertificate?: Uint8Array
  /** Signature lists. */
  readonly vendorDbx?: Uint8Array
  readonly machine?: number
  /** null leaves the file unsigned. */
  readonly signer?: SigningKey | null
}

export function makeShim(wanted: ShimToMake): Uint8Array {
  const { seed, version = '16.1', vendorDbx = new Uint8Array(0) } = wanted
  const vendor = wanted.vendorCertificate ?? vendorKeys(seed).ca.certificate
  const ident = `UEFI SHIM\n$Version: ${version} $\n$BuildMachine: Linux x86_64 $\n$Commit: synthetic ${seed} $\n`
  const sections = [
    { name: '.text', data: seededBytes(`${seed}/shim/text`, 1500) },
    { name: '.data.ident', data: text(ident) },
    {
      name: '.sbatlevel',
      data: sbatLevel('sbat,1,2024040900\nshim,4\ngrub,4\n', 'sbat,1,2025051000\nshim,4\ngrub,5\n'),
    },
    { name: '.data', data: seededBytes(`${seed}/shim/data`, 300) },
    { name: '.vendor_cert', data: vendorTable(vendor, vendorDbx) },
    { name: '.sbat', data: text(sbat('shim,4,UEFI shim,shim,1,https://github.com/rhboot/shim')) },
  ]
  const signer = wanted.signer === undefined ? firmwareKey(seed) : wanted.signer
  return makePe({ sections, ...machineOf(wanted.machine) }, signer ?? undefined)
}

/** shim's `.vendor_cert`: sizes and offsets of the allowed and the denied part, then both. */
export function vendorTable(allowed: Uint8Array, denied: Uint8Array): Uint8Array {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(allowed.length, 0)
  header.writeUInt32LE(denied.length, 4)
  header.writeUInt32LE(16, 8)
  header.writeUInt32LE(16 + allowed.length, 12)
  return new Uint8Array(Buffer.concat([header, allowed, denied]))
}

/** shim's `.sbatlevel`: version 0, two offsets from offset 4, then two texts with NUL. */
export function sbatLevel(automatic: string, latest: string): Uint8Array {
  const header = Buffer.alloc(12)
  header.writeUInt32LE(8, 4)
  header.writeUInt32LE(8 + automatic.length + 1, 8)
  return new Uint8Array(Buffer.concat([header, text(`${automatic}\0${latest}\0`)]))
}

export interface GrubToMake {
  readonly seed: Seed
  /** A name of `sbatTexts` or a whole text; 'redhat-2.06' when left out. */
  readonly sbat?: string
  readonly machine?: number
  readonly signer?: SigningKey | null
}

export function makeGrub(wanted: GrubToMake): Uint8Array {
  const { seed, sbat: rows = 'redhat-2.06' } = wanted
  const known: Readonly<Record<string, string>> = sbatTexts
  const sections = [
    { name: '.text', data: seededBytes(`${seed}/grub/text`, 2000) },
    { name: '.data', data: seededBytes(`${seed}/grub/data`, 700) },
    { name: 'mods', data: seededBytes(`${seed}/grub/mods`, 4000) },
    { name: '.sbat', data: text(known[rows] ?? rows) },
  ]
  const signer = wanted.signer === undefined ? vendorKeys(seed).signer : wanted.signer
  return makePe({ sections, ...machineOf(wanted.machine) }, signer ?? undefined)
}

export interface KernelToMake {
  readonly seed: Seed
  /** What `uname -r` prints. */
  readonly release: string
  /** Its code; 6000 bytes when left out. */
  readonly text?: Uint8Array
  readonly machine?: number
  readonly signer?: SigningKey | null
}

/** A bzImage-like file: PE header, and the x86 setup header with the version text that `file` and we read. */
export function makeKernel(wanted: KernelToMake): Uint8Array {
  const { seed, release } = wanted
  const setup = new Uint8Array(0x1000)
  setup.set(text(`${release} (builder@example.com) #1 SMP PREEMPT_DYNAMIC\0`), 0x10)
  const header = Buffer.alloc(0x21)
  header.writeUInt8(15, 0) // 0x1F1 setup_sects: the setup code ends at 0x2000
  header.writeUInt16LE(0xaa55, 0x0d) // 0x1FE boot_flag
  header.write('HdrS', 0x11, 'latin1') // 0x202 header
  header.writeUInt16LE(0x020f, 0x15) // 0x206 version
  header.writeUInt16LE(0x1010 - 0x200, 0x1d) // 0x20E kernel_version
  header.writeUInt8(1, 0x20) // 0x211 loadflags: a bzImage
  const sections = [
    { name: '.setup', data: setup },
    { name: '.text', data: wanted.text ?? seededBytes(`${seed}/kernel/${release}/text`, 6000) },
    { name: '.data', data: seededBytes(`${seed}/kernel/${release}/data`, 600) },
  ]
  const signer = wanted.signer === undefined ? vendorKeys(seed).signer : wanted.signer
  const headers = { headerOffset: 0x40, headersSize: 0x1000, headerBytes: [{ offset: 0x1f1, bytes: header }] }
  return makePe({ sections, ...headers, ...machineOf(wanted.machine) }, signer ?? undefined)
}

export interface InitramfsToMake {
  readonly release: string
  /** Module files below usr/lib/modules/<release>, by name; two when left out. */
  readonly modules?: readonly string[]
  /** Names the seed's bytes inside the modules. */
  readonly seed?: Seed
}

/** An initramfs as dracut leaves it: gzip over a cpio archive that holds the modules of its kernel. */
export function makeInitramfs(wanted: InitramfsToMake): Uint8Array {
  const { release, seed = 'initramfs', modules = ['kernel/fs/xfs/xfs.ko', 'kernel/drivers/virtio/virtio.ko'] } = wanted
  const below = `usr/lib/modules/${release}`
  const files = [
    { path: 'init', mode: 0o100755, content: text('#!/bin/sh\nexec /usr/lib/systemd/systemd\n') },
    ...['modules.dep', 'modules.order'].map(name => ({
      path: `${below}/${name}`,
      content: text(modules.map(module => (name === 'modules.dep' ? `${module}:\n` : `${module}\n`)).join('')),
    })),
    ...modules.map(module => ({ path: `${below}/${module}`, content: seededBytes(`${seed}/${module}`, 400) })),
  ]
  return new Uint8Array(gzipSync(makeCpio(withDirectories(files)), { level: 9 }))
}

/** Each file after the directories that lead to it; time 0. */
export function withDirectories(
  files: readonly (Omit<CpioInput, 'mode' | 'mtime'> & { mode?: number })[],
): CpioInput[] {
  const seen = new Set<string>()
  return files.flatMap(({ path, content, mode = 0o100644 }) => {
    const names = path.split('/').slice(0, -1)
    const directories = names.map((_, depth) => names.slice(0, depth + 1).join('/')).filter(name => !seen.has(name))
    for (const name of directories) seen.add(name)
    const empty = new Uint8Array(0)
    return [
      ...directories.map(name => ({ path: name, mode: 0o040755, mtime: 0, content: empty })),
      { path, mode, mtime: 0, content },
    ]
  })
}

function machineOf(machine: number | undefined): { readonly machine?: number } {
  return machine === undefined ? {} : { machine }
}
