// Kernel RPMs by rpmbuild, their repository by createrepo_c, and an RPM database by rpm: nothing here is written by our own makers.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { PackagedRpm } from '../kernel-rpms.ts'
import { type RealKernel, run } from './debian-packages.ts'

/** Version and release of the RPMs: `rpmbuild` takes no two dashes, so Debian's flavour is left out. */
export function realVersion(kernel: RealKernel): { readonly version: string; readonly release: string } {
  return { version: '6.1.0', release: `${kernel.build}.el9` }
}

const packageOfModule = [
  { prefix: 'kernel/fs/', name: 'modules-core' },
  { prefix: 'kernel/drivers/block/', name: 'modules-core' },
  { prefix: 'kernel/drivers/net/', name: 'modules' },
  { prefix: 'kernel/net/', name: 'modules-extra' },
]

/** The five packages of a kernel, gzip payload. */
export function buildKernelRpms(kernel: RealKernel): PackagedRpm[] {
  const { version, release } = realVersion(kernel)
  const uname = `${version}-${release}.x86_64`
  const top = mkdtempSync(join(tmpdir(), 'rpmbuild-'))
  try {
    const tree = join(top, 'tree', 'lib/modules', uname)
    const put = (path: string, bytes: Uint8Array) => {
      mkdirSync(dirname(join(tree, path)), { recursive: true })
      writeFileSync(join(tree, path), bytes)
    }
    put('vmlinuz', kernel.vmlinuz)
    for (const [path, bytes] of kernel.modules) put(path, bytes)
    const spec = join(top, 'kernel.spec')
    writeFileSync(spec, specOf(kernel, uname, join(top, 'tree')))
    run('rpmbuild', ['-bb', '--quiet', '--target', 'x86_64', '--define', `_topdir ${top}`, spec], top)
    const built = join(top, 'RPMS/x86_64')
    return readdirSync(built)
      .sort()
      .map(file => {
        const name = file.slice(0, -`-${uname}.rpm`.length)
        const input = { name, version, release, arch: 'x86_64' }
        return { name, file, bytes: new Uint8Array(readFileSync(join(built, file))), input }
      })
  } finally {
    rmSync(top, { recursive: true, force: true })
  }
}

function specOf(kernel: RealKernel, uname: string, tree: string): string {
  const { version, release } = realVersion(kernel)
  const parts = ['core', 'modules', 'modules-core', 'modules-extra']
  const filesOf = (part: string): string[] => {
    if (part === 'core') return [`%dir /lib/modules/${uname}`, `/lib/modules/${uname}/vmlinuz`]
    return [...kernel.modules.keys()]
      .filter(path => packageOfModule.find(({ prefix }) => path.startsWith(prefix))?.name === part)
      .map(path => `/lib/modules/${uname}/${path}`)
  }
  const header = [
    '%define _binary_payload w3.gzdio',
    '%define _build_id_links none',
    '%define debug_package %{nil}',
    '%define __os_install_post %{nil}',
    'Name: kernel',
    `Version: ${version}`,
    `Release: ${release}`,
    'Summary: The Linux kernel, repacked for a test',
    'License: GPL-2.0-only',
    'AutoReqProv: no',
    `Requires: kernel-core = ${version}-${release}`,
    '%description',
    'Files of a Debian kernel in the packages of a Red Hat one.',
  ]
  const subpackages = parts.flatMap(part => [
    `%package ${part}`,
    `Summary: Part of the kernel, ${part}`,
    'AutoReqProv: no',
    `%description ${part}`,
    `Part of the kernel, ${part}.`,
  ])
  const install = ['%install', `mkdir -p %{buildroot}`, `cp -a ${tree}/. %{buildroot}/`]
  const files = ['%files', ...parts.flatMap(part => [`%files ${part}`, ...filesOf(part)])]
  return [...header, ...subpackages, ...install, ...files, ''].join('\n')
}

/** Writes the RPMs and their metadata into a directory, ready to be served. */
export function writeRepository(directory: string, packages: readonly PackagedRpm[]): void {
  mkdirSync(directory, { recursive: true })
  for (const { file, bytes } of packages) writeFileSync(join(directory, file), bytes)
  run('createrepo_c', ['--quiet', directory])
}

/** rpmdb.sqlite with these packages, as rpm itself writes it. */
export function rpmDatabaseOf(packages: readonly PackagedRpm[]): Uint8Array {
  const top = mkdtempSync(join(tmpdir(), 'rpmdb-'))
  try {
    const database = ['--dbpath', join(top, 'db'), '--define', '_db_backend sqlite']
    for (const { file, bytes } of packages) writeFileSync(join(top, file), bytes)
    run('rpm', [...database, '--initdb'])
    const files = packages.map(({ file }) => join(top, file))
    run('rpm', [
      ...database,
      '--install',
      '--justdb',
      '--nodeps',
      '--noscripts',
      '--ignorearch',
      '--ignoreos',
      ...files,
    ])
    return new Uint8Array(readFileSync(join(top, 'db/rpmdb.sqlite')))
  } finally {
    rmSync(top, { recursive: true, force: true })
  }
}
