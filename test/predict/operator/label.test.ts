// When the label is written, kept, taken away, and when no label helps (design D13).

import { describe, expect, it } from 'vitest'
import type { BootFile, BootFileRole } from '../../../src/image/boot-file.ts'
import { publicationOfImages } from '../../../src/predict/operator/images.ts'
import { type ImageToLabel, isLabelled, labelChange } from '../../../src/predict/operator/label.ts'
import { parseOwnPcrLabel } from '../../../src/predict/output/pcr-label.ts'
import { predictImage } from '../../../src/predict/predict-image.ts'
import { makeGrub, makeKernel, makeShim } from '../../build/boot-files.ts'
import { faultOf } from '../../build/damage.ts'

const bootupd = 'usr/lib/bootupd/updates/EFI/fedora'
const efi = 'usr/lib/efi/boot/1/EFI/fedora'
const fedora = { id: 'fedora', versionId: '44' }
const unknown = { id: 'fedora', versionId: '43' }

function imageOf(
  folder: string,
  more: { release?: string; sbat?: string; os?: typeof fedora; label?: string; secureBoot?: boolean } = {},
): ImageToLabel {
  const at = (role: BootFileRole, path: string, bytes: Uint8Array): BootFile => ({ role, path, layer: null, bytes })
  const files = [
    at('shim', `${folder}/shimx64.efi`, makeShim({ seed: 1 })),
    at('grub', `${folder}/grubx64.efi`, makeGrub({ seed: 1, sbat: more.sbat ?? 'redhat-2.12' })),
    at('kernel', 'usr/lib/modules/1/vmlinuz', makeKernel({ seed: 1, release: more.release ?? '6.1' })),
  ]
  const { predictions } = predictImage({ files, secureBoot: more.secureBoot ?? true, banks: ['sha256'] })
  const imageLabels = more.label === undefined ? {} : { 'org.coreos.pcrs': more.label }
  return { digest: 'image', files, os: more.os ?? fedora, imageLabels, predictions }
}

const textOf = (image: ImageToLabel): string => {
  const change = labelChange(image, 'auto')
  return change.kind === 'set' ? change.text : ''
}
const stale = textOf(imageOf(efi, { release: '6.0' }))

describe('the label of an image', () => {
  it('is not written where the operator computes for itself', () => {
    expect(labelChange(imageOf(bootupd), 'auto')).toEqual({ kind: 'none' })
    expect(labelChange(imageOf(bootupd), 'never')).toEqual({ kind: 'none' })
  })

  it.each([
    ['a boot loader below usr/lib/efi', efi, fedora],
    ['a system without MOK variables', bootupd, unknown],
  ])('is written for %s, and by it the operator publishes what nodes have', (_, folder, os) => {
    const image = imageOf(folder, { os })
    const label = textOf(image)
    expect(parseOwnPcrLabel(label, 'label').map(({ id }) => id)).toEqual([4, 14])
    const { values, warnings } = publicationOfImages([{ ...image, label }])
    const pcrs = image.predictions[0]?.pcrs
    expect(values).toEqual({ tpm_pcr4: [pcrs?.['4']?.sha256], tpm_pcr14: [pcrs?.['14']?.sha256] })
    expect(warnings).toEqual([])
    expect(faultOf(() => labelChange(image, 'never')).code).toBe('OPERATOR_WOULD_NOT_APPROVE')
  })

  it('stays where it is right, and goes or is replaced where it is that of another image', () => {
    const right = textOf(imageOf(efi))
    for (const wanted of ['auto', 'never'] as const)
      for (const folder of [efi, bootupd])
        expect(labelChange(imageOf(folder, { label: right }), wanted)).toEqual({ kind: 'none' })
    expect(labelChange(imageOf(bootupd, { label: stale }), 'auto')).toEqual({ kind: 'remove' })
    expect(textOf(imageOf(efi, { label: stale }))).toBe(right)
    for (const folder of [efi, bootupd])
      expect(faultOf(() => labelChange(imageOf(folder, { label: stale }), 'never'))).toMatchObject({
        code: 'OPERATOR_WOULD_NOT_APPROVE',
        message: 'the image has a label org.coreos.pcrs with other values',
      })
  })

  it('that nobody can read counts for nothing', () => {
    const label = stale.replace('Pcr4Shim', 'Pcr4Other')
    expect(isLabelled(imageOf(efi, { label }))).toBe(false)
    expect(isLabelled(imageOf(efi, { label: stale }))).toBe(true)
    expect(textOf(imageOf(efi, { label }))).toBe(textOf(imageOf(efi)))
    expect(labelChange(imageOf(bootupd, { label }), 'auto')).toEqual({ kind: 'none' })
  })

  it.each([
    ['a kernel measured twice', { sbat: 'debian-2.06' }],
    ['Secure Boot off', { secureBoot: false }],
  ])('does not help with %s', (_, more) => {
    for (const folder of [efi, bootupd])
      expect(faultOf(() => labelChange(imageOf(folder, more), 'auto')).code).toBe('OPERATOR_WOULD_NOT_APPROVE')
  })

  it('holds one boot and no event without a name', () => {
    const image = imageOf(efi)
    const other = imageOf(efi, { release: '6.0' })
    const two = { ...image, predictions: [...image.predictions, ...other.predictions] }
    expect(faultOf(() => labelChange(two, 'auto')).found).toContain('2 are predicted')
    const predictions = image.predictions.map(one => ({
      ...one,
      events: [...one.events, { ...one.events[0], pcr: 14, part: 'Pcr14MokSBState' }] as typeof one.events,
    }))
    expect(faultOf(() => labelChange({ ...image, predictions }, 'auto'))).toMatchObject({
      code: 'OPERATOR_WOULD_NOT_APPROVE',
      found: expect.stringContaining('Pcr14MokSBState'),
    })
  })
})

describe('a label of our own, read back', () => {
  const label = textOf(imageOf(efi))
  const lines = label.split('\n')
  const refused = (text: string) => faultOf(() => parseOwnPcrLabel(text, 'label'))
  const changed = (change: (pcrs: { id: number; value: string; events: Record<string, unknown>[] }[]) => void) => {
    const value = JSON.parse(label)
    change(value.pcrs)
    return `${JSON.stringify(value, null, 2)}\n`
  }

  it('is taken as it was written', () => {
    expect(parseOwnPcrLabel(label, 'label').flatMap(({ events }) => events)).toHaveLength(8)
  })

  it.each([
    ['an unknown id', label.replace('"Pcr4Shim"', '"Pcr4Shin"')],
    ['a missing field', changed(pcrs => delete pcrs[0]?.events[0]?.hash)],
    ['events in another order', changed(pcrs => pcrs[0]?.events.reverse())],
    ['PCRs in another order', changed(pcrs => pcrs.reverse())],
    ['an upper-case digest', label.replace(/"hash": "([0-9a-f]+)"/, (_, hex) => `"hash": "${hex.toUpperCase()}"`)],
    ['an upper-case value', label.replace(/"value": "([0-9a-f]+)"/, (_, hex) => `"value": "${hex.toUpperCase()}"`)],
    [
      'a value that does not follow from its events',
      label.replace(/"value": "[0-9a-f]+"/, `"value": "${'0'.repeat(64)}"`),
    ],
    ['a field more', label.replace('"id": 4,', '"id": 4, "x": 1,')],
    ['fields in another order', label.replace(/("name": "[^"]+"),(\s+)("pcr": \d+)/, '$3,$2$1')],
    ['no newline at the end', label.trimEnd()],
    ['a line less', lines.toSpliced(4, 1).join('\n')],
  ])('is refused with %s', (_, text) => {
    expect(text).not.toBe(label)
    expect(refused(text)).toMatchObject({ code: 'PCR_LABEL_INVALID', where: { source: 'label' } })
  })
})
