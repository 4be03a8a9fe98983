import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../src/formats/bytes/digest.ts'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { authenticodeDigests } from '../../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../../src/formats/pe/pe.ts'
import type { BootFile, BootFileRole } from '../../../src/image/boot-file.ts'
import { predictMixes } from '../../../src/predict/mixes/mixes.ts'
import { checkOperatorLabel, publicationOfImages } from '../../../src/predict/operator/images.ts'
import { operatorJobEvents, operatorJobFiles } from '../../../src/predict/operator/job.ts'
import {
  neededValues,
  type OperatorImage,
  operatorPublication,
  valuesNotPublished,
} from '../../../src/predict/operator/publication.ts'
import { operatorSystem } from '../../../src/predict/operator/systems.ts'
import { labelledPcrs } from '../../../src/predict/output/compute-pcrs.ts'
import { formatPcrLabel } from '../../../src/predict/output/pcr-label.ts'
import { predictImage } from '../../../src/predict/predict-image.ts'
import { makeGrub, makeKernel, makeShim } from '../../build/boot-files.ts'
import { faultOf } from '../../build/damage.ts'
import { calling, knownImage, pcrAfter, predictKnown, separator, sha256, text } from '../../build/mix-parts.ts'

const digest = (name: string) => sha256(text(name))
const filesOf = (boot: string, kernel: string) => ({
  shim: digest(`shim ${boot}`),
  grub: digest(`grub ${boot}`),
  kernel: digest(`kernel ${kernel}`),
})

function imageOf(name: string, system = 'rhel-9.6'): OperatorImage {
  return { image: name, events: operatorJobEvents(filesOf(name, name), system) }
}

const pcr4 = (boot: string, kernel: string) => {
  const { shim, grub, kernel: linux } = filesOf(boot, kernel)
  return pcrAfter(4, [calling, separator, shim, grub, linux])
}

describe('what the operator publishes', () => {
  it('PCR 4 of every mix, sorted, and PCR 14 of the system', () => {
    const { values, warnings } = operatorPublication([imageOf('A'), imageOf('B')])
    const products = ['A', 'B'].flatMap(boot => ['A', 'B'].map(kernel => pcr4(boot, kernel)))
    expect(values.tpm_pcr4).toEqual(products.sort())
    expect(values.tpm_pcr14).toHaveLength(1)
    expect(Object.keys(values).sort()).toEqual(['tpm_pcr14', 'tpm_pcr4'])
    expect(warnings).toEqual([])
  })

  it('does not depend on the order of the images', () => {
    const images = [imageOf('A'), imageOf('B', 'fedora-42'), imageOf('C', 'fedora-44')]
    expect(operatorPublication([...images].reverse())).toEqual(operatorPublication(images))
  })

  it('names the images and the event of what it gives up', () => {
    const event = (id: 'Pcr4Shim' | 'Pcr7SecureBoot' | 'Pcr7ShimCert', name: string) => ({
      name: 'EV',
      pcr: id === 'Pcr4Shim' ? 4 : 7,
      hash: digest(`${id} ${name}`),
      id,
    })
    const images = ['A', 'B'].map(image => ({
      image,
      events: (['Pcr4Shim', 'Pcr7SecureBoot', 'Pcr7ShimCert'] as const).map(id => event(id, image)),
    }))
    const { values, warnings } = operatorPublication(images)
    expect(values.tpm_pcr7).toHaveLength(2)
    expect(warnings).toEqual([
      'A and B differ in Pcr7ShimCert, which belongs to parts taken from both: no value is published',
    ])
  })
})

describe('needed values that the operator does not publish', () => {
  const part = (role: BootFileRole, name: string) => ({ role, digest: digest(`${role} ${name}`) })
  const history = ['A', 'B'].map(name =>
    knownImage(
      name,
      (['shim', 'grub', 'kernel'] as const).map(role => part(role, name)),
    ),
  )
  const { mixes } = predictMixes({
    history,
    policy: { window: 'all', rollback: true, bootLoaderUpdates: 'automatic' },
    limit: 4,
    platforms: [],
    sbatLevel: () => undefined,
    predict: predictKnown,
  })
  const needed = neededValues(mixes)

  it('none, when both images are computed by its job', () => {
    expect(needed.map(({ sha256: value }) => value)).toHaveLength(4)
    expect(valuesNotPublished(operatorPublication([imageOf('A'), imageOf('B')]), needed)).toEqual([])
  })

  it('the mixes, when one image is not approved', () => {
    const missing = valuesNotPublished(operatorPublication([imageOf('A')]), needed)
    const wanted = [pcr4('A', 'B'), pcr4('B', 'A'), pcr4('B', 'B')]
    expect(missing.map(({ sha256: value }) => value).sort()).toEqual(wanted.sort())
    expect(missing.map(({ because }) => because)).toContain(
      'boot loader of A, kernel of B: the kernel is updated, the boot loader not yet',
    )
  })

  it('the image whose label has no kernel event, beside one that has it', () => {
    const [off] = [imageOf('B')].map(({ events }) => events.filter(({ id }) => id !== 'Pcr4Vmlinuz'))
    const own = {
      pcr: 4,
      sha256: pcrAfter(
        4,
        (off ?? []).filter(({ pcr }) => pcr === 4).map(({ hash }) => hash),
      ),
    }
    const labelled = { image: 'B', events: off ?? [] }
    const value = { ...own, because: 'Secure Boot is off' }
    expect(valuesNotPublished(operatorPublication([labelled]), [value])).toEqual([])
    expect(valuesNotPublished(operatorPublication([imageOf('A'), labelled]), [value])).toEqual([value])
  })

  it('says nothing of PCRs that its policy does not check', () => {
    const value = { pcr: 7, sha256: digest('any'), because: 'a test' }
    expect(valuesNotPublished(operatorPublication([imageOf('A')]), [value])).toEqual([])
    expect(valuesNotPublished(operatorPublication([imageOf('A')]), [{ ...value, pcr: 14 }])).toHaveLength(1)
  })
})

describe("the operator's own job", () => {
  const file = (role: BootFileRole, bytes: Uint8Array): BootFile => ({ role, path: role, layer: null, bytes })
  const chain = (sbat: string) => [
    file('shim', makeShim({ seed: 1 })),
    file('grub', makeGrub({ seed: 1, sbat })),
    file('kernel', makeKernel({ seed: 1, release: '5.14.0-611.el9.x86_64' })),
  ]
  const predict = (sbat: string, secureBoot: boolean) => {
    const [prediction] = predictImage({ files: chain(sbat), secureBoot, banks: ['sha256'] }).predictions
    if (prediction === undefined) throw new Error('no prediction')
    return prediction
  }
  const publish = (sbat: string) => {
    const events = operatorJobEvents(operatorJobFiles(predict(sbat, true).events), 'fedora-42')
    return operatorPublication([{ image: sha256Hex(text(sbat)), events }]).values
  }

  it('computes our PCR 4 where GRUB measures the kernel once, and not where it measures it twice', () => {
    expect(publish('redhat-2.12').tpm_pcr4).toEqual([predict('redhat-2.12', true).pcrs['4']?.sha256])
    expect(publish('debian-2.06').tpm_pcr4).not.toContain(predict('debian-2.06', true).pcrs['4']?.sha256)
  })

  it('takes PCR 14 from the system, not from the shim', () => {
    const { values } = operatorPublication([imageOf('A', 'fedora-42'), imageOf('B', 'fedora-44')])
    expect(values.tpm_pcr14).toHaveLength(1)
    expect(publish('redhat-2.12').tpm_pcr14).toEqual(values.tpm_pcr14)
    expect(values.tpm_pcr14).not.toContain(predict('redhat-2.12', true).pcrs['14']?.sha256)
  })

  it('fails for a system without MOK variables, and for a boot without a kernel event', () => {
    expect(
      faultOf(() => operatorJobEvents(filesOf('A', 'A'), operatorSystem({ id: 'centos', versionId: '9' }))),
    ).toMatchObject({ code: 'OPERATOR_WOULD_NOT_APPROVE', found: 'system centos-9' })
    expect(faultOf(() => operatorJobFiles(predict('redhat-2.12', false).events))).toMatchObject({
      code: 'OPERATOR_WOULD_NOT_APPROVE',
      wanted: 'an event Pcr4Vmlinuz in PCR 4',
    })
  })
})

describe('the publication for images', () => {
  const at = (role: BootFileRole, path: string, bytes: Uint8Array): BootFile => ({ role, path, layer: null, bytes })
  const bootupd = 'usr/lib/bootupd/updates/EFI/redhat'
  const rhel = { id: 'rhel', versionId: '9.6' }
  const imageFiles = (seed: number, folder = bootupd, signer: { signer?: null } = {}) => [
    at('shim', `${folder}/shimx64.efi`, makeShim({ seed: 1 })),
    at('grub', `${folder}/grubx64.efi`, makeGrub({ seed })),
    at('kernel', 'usr/lib/modules/1/vmlinuz', makeKernel({ seed, release: '5.14.0-611.el9.x86_64', ...signer })),
  ]
  const predictOther = () => {
    const [other] = predictImage({ files: imageFiles(2), secureBoot: true, banks: ['sha256'] }).predictions
    if (other === undefined) throw new Error('no prediction')
    return other
  }
  const on = (files: readonly BootFile[]) =>
    predictImage({ files, secureBoot: true, banks: ['sha256'] }).predictions[0]?.pcrs['4']?.sha256

  it('is that of the mixes of their files', () => {
    const [a, b] = [imageFiles(1), imageFiles(2)]
    const images = [a, b].map((files, index) => ({ digest: `${index}`, files, os: rhel }))
    const mixed = [...a.slice(0, 2), ...b.slice(2)]
    const crossed = [...b.slice(0, 2), ...a.slice(2)]
    const { values, warnings } = publicationOfImages(images)
    expect(values.tpm_pcr4).toEqual([a, b, mixed, crossed].map(on).sort())
    expect(warnings).toEqual([])
  })

  it('has nothing of an image that the job cannot compute, and says so', () => {
    const efi = 'usr/lib/efi/shim/16.1/EFI/redhat'
    const [good, moved] = [imageFiles(1), imageFiles(2, efi)]
    const { values, warnings } = publicationOfImages([
      { digest: 'good', files: good, os: rhel },
      { digest: 'moved', files: moved, os: rhel },
      { digest: 'unknown', files: imageFiles(3), os: { id: 'centos', versionId: '10' } },
    ])
    expect(values.tpm_pcr4).toEqual([on(good)])
    expect(warnings).toEqual([
      expect.stringMatching(/^moved: .*usr.lib.efi/),
      expect.stringMatching(/^unknown: .*centos-10/),
    ])
  })

  it('takes the label first, for an image that the job could compute too', () => {
    const events = operatorJobEvents(filesOf('A', 'A'), 'fedora-42')
    const label = formatPcrLabel([{ id: 4, value: pcr4('A', 'A'), events: events.filter(({ pcr }) => pcr === 4) }])
    const image = { digest: 'a', files: imageFiles(1), os: rhel }
    expect(publicationOfImages([{ ...image, label }]).values.tpm_pcr4).toEqual([pcr4('A', 'A')])
    const unreadable = publicationOfImages([{ ...image, label: '{}' }])
    expect(unreadable.values).toEqual(publicationOfImages([image]).values)
    expect(unreadable.warnings).toEqual([expect.stringMatching(/^a: the label org\.coreos\.pcrs cannot be read/)])
  })

  it('a label that an image inherited is refused unless it has the values that nodes need', () => {
    const files = imageFiles(1)
    const { predictions } = predictImage({ files, secureBoot: true, banks: ['sha256'] })
    const [prediction] = predictions
    if (prediction === undefined) throw new Error('no prediction')
    const image = { digest: 'a', files, os: rhel }
    const label = formatPcrLabel(labelledPcrs(prediction, [4, 14]))
    const inherited = formatPcrLabel(labelledPcrs(predictOther(), [4, 14]))
    for (const fine of [label, undefined, 'not JSON']) checkOperatorLabel({ ...image, label: fine }, predictions)
    for (const wrong of [inherited, formatPcrLabel(labelledPcrs(prediction, [4]))])
      expect(faultOf(() => checkOperatorLabel({ ...image, label: wrong }, predictions)).code).toBe(
        'OPERATOR_WOULD_NOT_APPROVE',
      )
  })

  it('has a value with an empty digest for an unsigned kernel, as the job takes it from the signature', () => {
    const [shim, grub, kernel] = imageFiles(1, bootupd, { signer: null })
    const files = [shim, grub, kernel].flatMap(one => one ?? [])
    const { values } = publicationOfImages([{ digest: 'a', files, os: rhel }])
    const digests = files.slice(0, 2).map(({ bytes }) => formatHex(authenticodeDigests(parsePe(bytes, 'a')).sha256))
    expect(values.tpm_pcr4).toEqual([pcrAfter(4, [calling, separator, ...digests, ''])])
  })
})
