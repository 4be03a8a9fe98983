import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import { parsePinnedReference } from '../../src/formats/oci/reference.ts'
import { renderContainerfile } from '../../src/layering/containerfile.ts'
import { type LayeringRequest, planLayering } from '../../src/layering/layering-plan.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const coreos = new Set(['usr/bin/rpm-ostree', 'sysroot/ostree/repo/config', 'usr/bin/bootc'])
const names = ['kernel', 'kernel-core', 'kernel-modules', 'kernel-modules-core', 'kernel-modules-extra']

function request(changes: Partial<LayeringRequest> = {}): LayeringRequest {
  return {
    base: parsePinnedReference(`quay.example/os/coreos@${digest}`),
    baseName: 'quay.example/os/coreos:stable',
    kernelRelease: '5.14.0-605.el9.x86_64',
    packages: names.map(name => ({ name, file: `${name}-5.14.0-605.el9.x86_64.rpm` })).reverse(),
    installed: new Set([...names, 'bash']),
    baseHas: path => coreos.has(path),
    ...changes,
  }
}

const refusal = (changes: Partial<LayeringRequest>): ToolError => {
  try {
    planLayering(request(changes))
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('Containerfile', () => {
  it('replaces the packages of the kernel from the bind mount, on the pinned base, in one RUN', () => {
    expect(renderContainerfile(planLayering(request()))).toBe(`ARG BASE=quay.example/os/coreos@${digest}
FROM \${BASE}
RUN --mount=type=bind,source=rpms,target=/run/attested-os-update/rpms \\
    rpm-ostree override replace \\
        /run/attested-os-update/rpms/kernel-5.14.0-605.el9.x86_64.rpm \\
        /run/attested-os-update/rpms/kernel-core-5.14.0-605.el9.x86_64.rpm \\
        /run/attested-os-update/rpms/kernel-modules-5.14.0-605.el9.x86_64.rpm \\
        /run/attested-os-update/rpms/kernel-modules-core-5.14.0-605.el9.x86_64.rpm \\
        /run/attested-os-update/rpms/kernel-modules-extra-5.14.0-605.el9.x86_64.rpm && \\
    rpm-ostree cleanup -m && \\
    bootc container lint
LABEL org.opencontainers.image.base.digest="${digest}"
LABEL org.opencontainers.image.base.name="quay.example/os/coreos:stable"
LABEL org.opencontainers.image.version="kernel-5.14.0-605.el9.x86_64"
LABEL attested-os-update.kernel-release="5.14.0-605.el9.x86_64"
`)
  })

  it('does not depend on the order of the packages', () => {
    const turned = request({ packages: [...request().packages].reverse() })
    expect(renderContainerfile(planLayering(turned))).toBe(renderContainerfile(planLayering(request())))
  })

  it('installs what the base does not have, and replaces what it has', () => {
    const packages = [
      ...request().packages,
      { name: 'bash', file: 'bash-5.2-1.el9.x86_64.rpm' },
      { name: 'tpm2-tools', file: 'tpm2-tools-5.7-1.el9.x86_64.rpm' },
    ]
    const plan = planLayering(request({ packages }))
    expect(plan).toMatchObject({ way: 'rpm-ostree', install: ['tpm2-tools-5.7-1.el9.x86_64.rpm'] })
    expect(renderContainerfile(plan)).toMatch(/override replace \\\n +\S+\/bash-5\.2-1\.el9\.x86_64\.rpm/)
    expect(renderContainerfile(plan)).toContain(
      'rpm-ostree install \\\n        /run/attested-os-update/rpms/tpm2-tools-5.7-1.el9.x86_64.rpm && \\\n    rpm-ostree cleanup -m',
    )
  })

  it('ends with ostree container commit where the base has no bootc', () => {
    const plan = planLayering(request({ baseHas: path => coreos.has(path) && path !== 'usr/bin/bootc' }))
    expect(renderContainerfile(plan)).toContain('    ostree container commit\nLABEL')
  })

  it.each(['usr/bin/rpm-ostree', 'sysroot/ostree/repo/config'])('refuses a base without %s', absent => {
    const error = refusal({ baseHas: path => coreos.has(path) && path !== absent })
    expect(error.code).toBe('LAYERING_NOT_SUPPORTED')
    expect(error.found).toBe(`no ${absent}, no usr/bin/dnf`)
  })

  it('refuses a base that has none of the packages', () => {
    expect(refusal({ installed: new Set(['bash']) }).code).toBe('INPUT_INVALID')
  })

  it.each([
    'kernel-$(id).rpm',
    'kernel 1.rpm',
    'kernel;id.rpm',
    '../kernel.rpm',
    '-kernel.rpm',
    'kernel\n.rpm',
    '`id`.rpm',
    "k'.rpm",
    'k".rpm',
    'kernel&.rpm',
    'kernel.deb',
    '~kernel.rpm',
    'a\\b.rpm',
    '',
  ])('refuses the file name %j', file => {
    expect(refusal({ packages: [{ name: 'kernel', file }] }).code).toBe('INPUT_INVALID')
  })

  it.each(['5.14"', '5.14\nRUN id', '$HOME', ''])('refuses the kernel release %j', kernelRelease => {
    expect(refusal({ kernelRelease }).code).toBe('INPUT_INVALID')
  })

  it.each(['quay.example/os:a"b', 'quay.example/os\nRUN id', '$' + '{X}'])('refuses the base name %j', baseName => {
    expect(refusal({ baseName }).code).toBe('INPUT_INVALID')
  })

  it('refuses one file name twice', () => {
    const twice = { name: 'kernel', file: 'kernel-1-1.x86_64.rpm' }
    expect(refusal({ packages: [twice, { ...twice, name: 'kernel-core' }] }).found).toBe('kernel-1-1.x86_64.rpm')
  })
})

describe('the dnf way', () => {
  const dnf = (changes: Partial<LayeringRequest> = {}) =>
    request({
      baseHas: path => ['usr/bin/rpm-ostree', 'usr/bin/dnf', 'usr/bin/dnf5', 'usr/bin/bootc'].includes(path),
      baseKernels: ['5.14.0-570.el9.x86_64'],
      sourceDateEpoch: 1_767_225_600,
      ...changes,
    })

  it('installs all packages in one transaction without repositories, and leaves one kernel', () => {
    expect(
      renderContainerfile(planLayering(dnf({ baseVersion: '10.1.20260101-0' }))),
    ).toBe(`ARG BASE=quay.example/os/coreos@${digest}
FROM \${BASE}
RUN --mount=type=bind,source=rpms,target=/run/attested-os-update/rpms \\
    mkdir -p /run/attested-os-update/dnf && \\
    SOURCE_DATE_EPOCH=1767225600 dnf --assumeyes \\
        --setopt=reposdir=/run/attested-os-update/dnf \\
        --setopt=persistdir=/run/attested-os-update/dnf \\
        --setopt=cachedir=/run/attested-os-update/dnf \\
        --setopt=logdir=/run/attested-os-update/dnf \\
        --setopt=installonlypkgs= \\
        --setopt=install_weak_deps=False \\
        --setopt=clean_requirements_on_remove=False \\
        --setopt=plugins=False \\
        install \\
        /run/attested-os-update/rpms/kernel-5.14.0-605.el9.x86_64.rpm \\
        /run/attested-os-update/rpms/kernel-core-5.14.0-605.el9.x86_64.rpm \\
        /run/attested-os-update/rpms/kernel-modules-5.14.0-605.el9.x86_64.rpm \\
        /run/attested-os-update/rpms/kernel-modules-core-5.14.0-605.el9.x86_64.rpm \\
        /run/attested-os-update/rpms/kernel-modules-extra-5.14.0-605.el9.x86_64.rpm && \\
    rm -rf /run/attested-os-update/dnf /usr/lib/modules/5.14.0-570.el9.x86_64 && \\
    { test -s /usr/lib/modules/5.14.0-605.el9.x86_64/modules.dep || depmod 5.14.0-605.el9.x86_64; } && \\
    { test -s /usr/lib/modules/5.14.0-605.el9.x86_64/initramfs.img || DRACUT_NO_XATTR=1 dracut --force --no-hostonly --reproducible --add ostree --kver 5.14.0-605.el9.x86_64 /usr/lib/modules/5.14.0-605.el9.x86_64/initramfs.img; } && \\
    for shm in /usr/share/rpm/rpmdb.sqlite-shm /usr/lib/sysimage/rpm/rpmdb.sqlite-shm; do test ! -e $shm || : > $shm; done && \\
    bootc container lint
LABEL org.opencontainers.image.base.digest="${digest}"
LABEL org.opencontainers.image.base.name="quay.example/os/coreos:stable"
LABEL org.opencontainers.image.version="10.1.20260101-0-kernel-5.14.0-605.el9.x86_64"
LABEL attested-os-update.kernel-release="5.14.0-605.el9.x86_64"
`)
  })

  it.each([
    [['usr/bin/dnf'], 'dnf --assumeyes', 'rpmdb.sqlite-shm; do test ! -e $shm || : > $shm; done\nLABEL'],
    [['usr/bin/dnf5'], 'dnf5 --assumeyes', 'rpmdb.sqlite-shm; do test ! -e $shm || : > $shm; done\nLABEL'],
    [['usr/bin/dnf', 'usr/bin/bootc'], 'dnf --assumeyes', 'bootc container lint\nLABEL'],
  ])('a base with %j: %s', (files, program, end) => {
    const text = renderContainerfile(planLayering(dnf({ baseHas: path => files.includes(path) })))
    expect(text).toContain(` ${program}`)
    expect(text).toContain(end)
  })

  it.each([
    ['several kernels', ['5.14.0-570.el9.x86_64', '5.14.0-1.el9.x86_64']],
    ['the same kernel', ['5.14.0-605.el9.x86_64']],
    ['a directory with another kind of name', ['a b']],
    ['none', []],
  ])('removes no directory where the base has %s', (_name, baseKernels) => {
    expect(renderContainerfile(planLayering(dnf({ baseKernels })))).toContain('rm -rf /run/attested-os-update/dnf &&')
  })

  it('is not taken where rpm-ostree works', () => {
    const both = (path: string) => coreos.has(path) || path === 'usr/bin/dnf'
    expect(planLayering(dnf({ baseHas: both })).way).toBe('rpm-ostree')
  })

  it('does not put packages beside a unified kernel image', () => {
    expect(refusal({ ...dnf(), hasUnifiedKernel: true })).toMatchObject({
      code: 'LAYERING_NOT_SUPPORTED',
      found: 'a unified kernel image',
    })
  })
})
