// The work of the stand-in rpm-ostree in a root file system: packages out, packages in, database, initramfs.

import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type CpioEntry, readCpio } from '../../../src/formats/rpm/cpio.ts'
import { checkRpmDigests } from '../../../src/formats/rpm/rpm-digests.ts'
import { parseRpm, type RpmFile } from '../../../src/formats/rpm/rpm-file.ts'
import { makeRpm } from '../rpm.ts'
import { faultFile, type StandInFault } from './faults.ts'
import { makeInitramfsOf, writeModulesDep } from './initramfs.ts'
import { blobOf } from './package-header.ts'
import { type InstalledPackage, RpmDatabase } from './rpm-database.ts'

export const rpmDatabaseFile = 'usr/share/rpm/rpmdb.sqlite'
const moduleDirectory = 'usr/lib/modules'

export interface PackagesToLayer {
  /** Directory of the root file system. */
  readonly root: string
  /** replace: each package must be there in another version; install: none may be there. */
  readonly how: 'replace' | 'install'
  /** RPM files. */
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[]
}

/** Changes the root file system; the result lists what was done, one line per package. Throws an Error for wrong use. */
export function layerPackages({ root, how, files }: PackagesToLayer): string[] {
  const fault = faultOf(root)
  if (fault === 'nothing-installed') return []
  const packages = files.map(({ name, bytes }) => readPackage(name, bytes))
  const database = new RpmDatabase(join(root, rpmDatabaseFile))
  try {
    const installed = database.packages()
    const lines: string[] = []
    const replaced = packages.flatMap(({ header: { name } }) => {
      const old = installed.filter(one => one.name === name)
      if (how === 'replace' && old.length === 0)
        throw new Error(`no package ${name} in the image that could be replaced`)
      if (how === 'install' && old.length > 0) throw new Error(`package ${name} is in the image already`)
      return old
    })
    if (fault !== 'old-kernel-left') removeFiles(root, replaced)
    for (const file of packages) {
      unpack(root, file)
      if (fault === 'fails') throw new Error(`cannot go on after ${file.source}, as asked by ${faultFile}`)
      database.add(blobOf(file.headerBytes))
      const old = replaced.find(one => one.name === file.header.name)
      const version = `${file.header.evr.version}-${file.header.evr.release}`
      lines.push(`${file.header.name} ${old === undefined ? version : `${old.version} -> ${version}`}`)
    }
    if (fault !== 'old-rpmdb-entry') for (const { number } of replaced) database.remove(number)
    if (fault === 'kubelet-changed') changeKubelet(database, installed)
    finishKernels(root, fault)
    return lines
  } finally {
    database.close()
  }
}

function changeKubelet(database: RpmDatabase, installed: readonly InstalledPackage[]): void {
  const name = 'openshift-kubelet'
  for (const one of installed) if (one.name === name) database.remove(one.number)
  database.add(blobOf(readPackage(name, makeRpm({ name, version: '9.0', release: '1.el9' })).headerBytes))
}

export function faultOf(root: string): StandInFault | undefined {
  const path = join(root, faultFile)
  return existsSync(path) ? (readFileSync(path, 'utf8').trim() as StandInFault) : undefined
}

function readPackage(name: string, bytes: Uint8Array): RpmFile {
  const file = parseRpm(bytes, name)
  checkRpmDigests(file)
  return file
}

/** Removes the files of packages and directories that are empty then. */
function removeFiles(root: string, packages: readonly InstalledPackage[]): void {
  const paths = packages.flatMap(({ files }) => files).sort()
  for (const path of paths.reverse()) {
    const target = inside(root, path)
    try {
      rmSync(target)
    } catch {
      removeWhenEmpty(target)
    }
  }
}

function removeWhenEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch {
    // a directory that others use too, or a file that was not there
  }
}

function unpack(root: string, file: RpmFile): void {
  for (const entry of payloadOf(file)) {
    const path = inside(root, entry.path.replace(/^\./, ''))
    const type = entry.mode & 0o170000
    if (type === 0o040000) {
      mkdirSync(path, { recursive: true })
      continue
    }
    mkdirSync(dirname(path), { recursive: true })
    rmSync(path, { force: true })
    if (type === 0o120000) symlinkSync(Buffer.from(entry.content).toString('utf8'), path)
    else if (type === 0o100000) writeFileSync(path, entry.content, { mode: entry.mode & 0o7777 })
    else throw new Error(`${entry.path} of ${file.source} is neither file, directory nor symbolic link`)
  }
}

function payloadOf(file: RpmFile): Iterable<CpioEntry> {
  const compressor = file.header.payloadCompressor ?? 'gzip'
  if (compressor === 'gzip') return readCpio(new Uint8Array(gunzipSync(file.payload)), file.source)
  if (compressor === 'zstd') return readCpio(new Uint8Array(zstdDecompressSync(file.payload)), file.source)
  throw new Error(`${file.source} has a payload by ${compressor}, which the stand-in cannot read`)
}

function inside(root: string, path: string): string {
  if (!path.startsWith('/') || path.split('/').includes('..')) throw new Error(`${path} would leave the root`)
  return join(root, path)
}

/** What the scripts of kernel packages do below rpm-ostree: module directories without kernel go, kernels get their initramfs. */
function finishKernels(root: string, fault: StandInFault | undefined): void {
  const below = join(root, moduleDirectory)
  const before = readdirSync(below)
  for (const release of before) {
    const directory = join(below, release)
    if (!existsSync(join(directory, 'vmlinuz'))) {
      rmSync(directory, { recursive: true })
      continue
    }
    if (existsSync(join(directory, 'initramfs.img'))) continue
    writeModulesDep(directory)
    const other = fault === 'initramfs-of-other-kernel' ? `${release}.other` : release
    const initramfs = fault === 'empty-initramfs' ? new Uint8Array() : makeInitramfsOf(directory, other)
    if (fault !== 'no-initramfs') writeFileSync(join(directory, 'initramfs.img'), initramfs, { mode: 0o600 })
    if (fault === 'hmac-removed') rmSync(join(directory, '.vmlinuz.hmac'))
    if (fault === 'other-hmac') writeFileSync(join(directory, '.vmlinuz.hmac'), `${'ab'.repeat(64)}  vmlinuz\n`)
    if (fault === 'modules-not-indexed') rmSync(join(directory, 'modules.dep'))
    if (fault === 'second-kernel') cpSync(directory, `${directory}.second`, { recursive: true })
  }
  spoilBase(root, fault)
}

function spoilBase(root: string, fault: StandInFault | undefined): void {
  if (fault === 'kubelet-removed') rmSync(join(root, 'usr/bin/kubelet'))
  if (fault === 'file-in-boot') writeFileSync(join(root, 'boot/vmlinuz-left-behind'), 'not wanted here')
  if (fault !== 'other-shim' && fault !== 'other-grub') return
  const efi = join(root, 'usr/lib/bootupd/updates/EFI')
  const name = fault === 'other-shim' ? 'shimx64.efi' : 'grubx64.efi'
  for (const vendor of readdirSync(efi)) {
    const path = join(efi, vendor, name)
    if (existsSync(path)) appendFileSync(path, new Uint8Array(8))
  }
}
