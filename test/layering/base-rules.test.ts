import { describe, expect, it } from 'vitest'
import type { OciDigest } from '../../src/formats/oci/digest.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { checkBaseRepository, refuseLayeredBase } from '../../src/layering/base-rules.ts'
import { layeredImageLabels } from '../../src/layering/containerfile.ts'
import { faultOf } from '../build/damage.ts'

const digest: OciDigest = `sha256:${'a'.repeat(64)}`
const labels = layeredImageLabels({
  base: { registry: 'quay.io', repository: 'fedora/fedora-coreos', digest: `sha256:${'b'.repeat(64)}` },
  baseName: 'quay.io/fedora/fedora-coreos:stable',
  kernelRelease: '6.17.1-300.fc43.x86_64',
  way: 'rpm-ostree',
  baseVersion: undefined,
  closingStep: 'bootc container lint',
  replace: [],
  install: [],
})

describe('a base image', () => {
  it('is taken when nothing of ours is in it', () => {
    const imageLabels = { 'org.opencontainers.image.base.name': 'quay.io/fedora/fedora:43' }
    expect(() => refuseLayeredBase({ source: 'x', digest, imageLabels }, new Set())).not.toThrow()
  })

  it('is refused by the labels that our Containerfile gives, naming the base below', () => {
    expect(faultOf(() => refuseLayeredBase({ source: 'x', digest, imageLabels: labels }, new Set()))).toMatchObject({
      code: 'BASE_IS_LAYERED',
      found: 'label attested-os-update.kernel-release=6.17.1-300.fc43.x86_64',
      hint: 'it was built on quay.io/fedora/fedora-coreos:stable: name that one',
    })
  })

  it('is refused when a record calls it layered', () => {
    const fault = faultOf(() => refuseLayeredBase({ source: 'x', digest, imageLabels: {} }, new Set([digest])))
    expect(fault).toMatchObject({ code: 'BASE_IS_LAYERED', found: `a record of kind layered for ${digest}` })
  })
})

describe('base-repositories', () => {
  const allowed = [{ registry: 'quay.io', repository: 'a/b' }]
  it.each(['quay.io/a/b:tag', `quay.io/a/b@${digest}`])('%s is taken', text => {
    expect(() => checkBaseRepository(parseImageReference(text), allowed)).not.toThrow()
  })
  it.each(['quay.io/a/b/c', 'quay.io/a/bb:tag', 'quay.example/a/b', 'a/b'])('%s is refused', text => {
    expect(faultOf(() => checkBaseRepository(parseImageReference(text), allowed)).code).toBe(
      'BASE_REPOSITORY_NOT_ALLOWED',
    )
  })
})
