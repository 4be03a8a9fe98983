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
    expect(plan.replace).toContain('bash-5.2-1.el9.x86_64.rpm')
    expect(plan.install).toEqual(['tpm2-tools-5.7-1.el9.x86_64.rpm'])
    expect(renderContainerfile(plan)).toContain(
      'rpm-ostree install \\\n        /run/attested-os-update/rpms/tpm2-tools-5.7-1.el9.x86_64.rpm && \\\n    rpm-ostree cleanup -m',
    )
  })

  it('ends with ostree container commit where the base has no bootc', () => {
    const plan = planLayering(request({ baseHas: path => coreos.has(path) && path !== 'usr/bin/bootc' }))
    expect(plan.closingStep).toBe('ostree container commit')
    expect(renderContainerfile(plan)).toContain('    ostree container commit\nLABEL')
  })

  it.each(['usr/bin/rpm-ostree', 'sysroot/ostree/repo/config'])('refuses a base without %s', absent => {
    const error = refusal({ baseHas: path => coreos.has(path) && path !== absent })
    expect(error.code).toBe('LAYERING_NOT_SUPPORTED')
    expect(error.found).toBe(`no ${absent}`)
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
