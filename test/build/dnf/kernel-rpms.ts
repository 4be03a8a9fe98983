// Kernel packages by rpmbuild, with the dependencies and the scripts that those of CentOS Stream have; small.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { makeKernel, type Seed, seededBytes } from '../boot-files.ts'
import type { PackagedRpm } from '../kernel-rpms.ts'

export interface ScriptedKernel {
  readonly seed: Seed
  readonly version: string
  readonly release: string
  /** What kernel-core needs besides. */
  readonly requires?: string
}

const places = { 'modules-core': 'kernel/fs/xfs/xfs.ko', modules: 'kernel/drivers/net/virtio_net.ko' } as const

/** kernel, kernel-core, kernel-modules, kernel-modules-core; each may be there in several versions, as dnf sees it. */
export function buildScriptedKernel(kernel: ScriptedKernel): PackagedRpm[] {
  const { version, release } = kernel
  const uname = `${version}-${release}.x86_64`
  const top = mkdtempSync(join(tmpdir(), 'rpmbuild-'))
  try {
    const put = (path: string, bytes: Uint8Array | string) => {
      const target = join(top, 'tree/lib/modules', uname, path)
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, bytes)
    }
    put('vmlinuz', makeKernel({ seed: kernel.seed, release: uname }))
    for (const path of Object.values(places)) put(path, seededBytes(`${kernel.seed}/${uname}/${path}`, 900))
    writeFileSync(join(top, 'kernel.spec'), specOf(kernel, uname, join(top, 'tree')))
    const words = ['-bb', '--quiet', '--target', 'x86_64', '--define', `_topdir ${top}`, join(top, 'kernel.spec')]
    execFileSync('rpmbuild', words, { stdio: ['ignore', 'ignore', 'pipe'] })
    const built = join(top, 'RPMS/x86_64')
    return readdirSync(built)
      .sort()
      .map(file => {
        const name = file.slice(0, -`-${uname}.rpm`.length)
        const bytes = new Uint8Array(readFileSync(join(built, file)))
        return { name, file, bytes, input: { name, version, release, arch: 'x86_64' } }
      })
  } finally {
    rmSync(top, { recursive: true, force: true })
  }
}

function specOf({ version, release, requires }: ScriptedKernel, uname: string, tree: string): string {
  const modules = `/lib/modules/${uname}`
  const subpackage = (part: string, lines: readonly string[]) => [
    `%package ${part}`,
    `Summary: Part of the kernel, ${part}`,
    'AutoReqProv: no',
    ...lines,
    `%description ${part}`,
    `Part of the kernel, ${part}.`,
  ]
  return [
    '%define _binary_payload w3.gzdio',
    '%define _build_id_links none',
    '%define debug_package %{nil}',
    '%define __os_install_post %{nil}',
    'Name: kernel',
    `Version: ${version}`,
    `Release: ${release}`,
    'Summary: The Linux kernel, made for a test',
    'License: GPL-2.0-only',
    'AutoReqProv: no',
    `Requires: kernel-core-uname-r = ${uname}`,
    `Requires: kernel-modules-uname-r = ${uname}`,
    '%description',
    'A kernel for a test.',
    ...subpackage('core', [
      `Provides: kernel-core-uname-r = ${uname}`,
      'Provides: installonlypkg(kernel)',
      `Requires: kernel-modules-core-uname-r = ${uname}`,
      ...(requires === undefined ? [] : [`Requires: ${requires}`]),
    ]),
    '%posttrans core',
    `/usr/bin/kernel-install add ${uname} ${modules}/vmlinuz || exit $?`,
    '%preun core',
    `/usr/bin/kernel-install remove ${uname} || exit $?`,
    ...subpackage('modules', [
      `Provides: kernel-modules-uname-r = ${uname}`,
      'Provides: installonlypkg(kernel-module)',
      `Requires: kernel-core-uname-r = ${uname}`,
    ]),
    ...subpackage('modules-core', [
      `Provides: kernel-modules-core-uname-r = ${uname}`,
      'Provides: installonlypkg(kernel-module)',
    ]),
    '%install',
    'mkdir -p %{buildroot}',
    `cp -a ${tree}/. %{buildroot}/`,
    '%files',
    '%files core',
    `%dir ${modules}`,
    `${modules}/vmlinuz`,
    ...Object.entries(places).flatMap(([part, path]) => [`%files ${part}`, `${modules}/${path}`]),
    '',
  ].join('\n')
}
