// Runs rpm, rpmbuild, createrepo_c and xz for the tests of this tier. Debian packages: rpm, createrepo-c, xz-utils.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll } from 'vitest'

/** A directory that goes away at the end of the test file. */
export function workDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'attested-os-update-rpm-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Output of a program; throws when it exits with another code than 0. */
export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** node:zlib has no xz. */
export function unxz(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(execFileSync('xz', ['-dc'], { input: bytes, maxBuffer: 2 ** 26 }))
}

export interface SpecInput {
  readonly version: string
  readonly release: string
  readonly epoch?: number
  /** Of rpm's macro _binary_payload: w6.gzdio, w3.zstdio, w2.xzdio. */
  readonly payload: string
}

/** Builds kernel, kernel-core and kernel-modules with rpmbuild; paths of the RPM files. */
export function buildWithRpmbuild(directory: string, { version, release, epoch, payload }: SpecInput): string[] {
  const top = mkdtempSync(join(directory, 'rpmbuild-'))
  const modules = `/usr/lib/modules/${version}-${release}.x86_64`
  const spec = `Name: kernel
Version: ${version}
Release: ${release}
${epoch === undefined ? '' : `Epoch: ${epoch}\n`}Summary: The kernel, for a test
License: GPL-2.0-only
%description
For a test & no more <really>.
%package core
Summary: The kernel itself
%description core
vmlinuz
%package modules
Summary: Modules
%description modules
Modules
%install
mkdir -p %{buildroot}${modules}/kernel %{buildroot}${modules}/empty
printf 'MZ kernel %s' %{version} > %{buildroot}${modules}/vmlinuz
head -c 70000 /dev/zero > %{buildroot}${modules}/kernel/a.ko
ln -s kernel/a.ko %{buildroot}${modules}/link
ln %{buildroot}${modules}/kernel/a.ko %{buildroot}${modules}/kernel/b.ko
%files
%files core
${modules}/vmlinuz
%files modules
${modules}/kernel
${modules}/link
%dir ${modules}/empty
%changelog
* Thu Nov 13 2025 Some Body <a@example.org> [${version}-${release}]
- first {CVE-2025-12345}
- second
* Wed Nov 12 2025 Other <b@example.org> - 6.0.0-1
- older
`
  writeFileSync(join(top, 'kernel.spec'), spec)
  const defines = [`_topdir ${top}`, `_binary_payload ${payload}`, 'debug_package %{nil}', '_build_id_links none']
  const options = defines.flatMap(define => ['--define', define])
  run('rpmbuild', '-bb', '--quiet', '--target', 'x86_64', ...options, join(top, 'kernel.spec'))
  return files(join(top, 'RPMS')).map(name => join(top, 'RPMS', name))
}

/** Puts files into a new directory below `directory` and runs createrepo_c there; path → bytes of all that is then there. */
export function createRepository(
  directory: string,
  rpms: ReadonlyMap<string, Uint8Array>,
  ...options: readonly string[]
): Map<string, Uint8Array> {
  const top = mkdtempSync(join(directory, 'repository-'))
  mkdirSync(join(top, 'Packages'))
  for (const [name, bytes] of rpms) writeFileSync(join(top, 'Packages', name), bytes)
  run('createrepo_c', '--quiet', '--no-database', ...options, top)
  return filesBelow(top)
}

/** Path below a directory → bytes. */
export function filesBelow(top: string): Map<string, Uint8Array> {
  return new Map(files(top).map(name => [name, new Uint8Array(readFileSync(join(top, name)))]))
}

function files(top: string): string[] {
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(top, join(entry.parentPath, entry.name)))
    .sort()
}
