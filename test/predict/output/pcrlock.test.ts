// Components as systemd.pcrlock(5) has them.

import { describe, expect, it } from 'vitest'
import { banks } from '../../../src/formats/bytes/digest.ts'
import { formatPcrlock, pcrlockFiles } from '../../../src/predict/output/pcrlock.ts'
import type { Prediction } from '../../../src/predict/prediction.ts'
import { faultOf } from '../../build/damage.ts'
import { grubParts, measured, predictionOf, predictionOfParts } from '../../build/measured.ts'

const files = (...predictions: readonly Prediction[]) => pcrlockFiles({ predictions })
const components = (prediction: Prediction) =>
  [...files(prediction).keys()].map(name => name.replace(/\.pcrlock\.d.*/, ''))
const records = (prediction: Prediction, component: string) =>
  [...files(prediction)].find(([name]) => name.startsWith(`${component}.pcrlock.d/`))?.[1].records ?? []
/** Names of the parts whose events a component holds. */
const partsOf = (prediction: Prediction, component: string) =>
  records(prediction, component).map(
    record => prediction.events.find(event => event.digests.sha256 === record.digests[1]?.digest)?.part,
  )
const grub = predictionOfParts(grubParts(2))

describe('a prediction as files of systemd-pcrlock', () => {
  it('has one component for each loaded file, one for the policy and one for the authorities', () => {
    expect(components(grub)).toEqual([
      '240-secureboot-policy',
      '620-secureboot-authority',
      '630-boot-loader-code-shim',
      '640-boot-loader-code',
      '650-kernel',
    ])
    expect(partsOf(grub, '240-secureboot-policy')).toEqual([
      ...['Pcr7SecureBoot', 'Pcr7Pk', 'Pcr7Kek', 'Pcr7Db', 'Pcr7Dbx'],
    ])
    expect(partsOf(grub, '620-secureboot-authority')).toEqual(['Pcr7ShimCert', 'Pcr7SbatLevel', 'Pcr7GrubMokListCert'])
    expect(partsOf(grub, '630-boot-loader-code-shim')).toEqual([
      ...['Pcr4Shim', 'Pcr14MokList', 'Pcr14MokListX', 'Pcr14MokListTrusted'],
    ])
    expect(partsOf(grub, '640-boot-loader-code')).toEqual(['Pcr4Grub'])
    expect(partsOf(grub, '650-kernel')).toEqual(['Pcr4Vmlinuz', 'Pcr4VmlinuzAgain'])
  })

  it('has PCR 4, 11 and 12 of a UKI in one component, and leaves out what comes with systemd', () => {
    const parts = ['Pcr4EfiCall', 'Pcr4Separator', 'Pcr4SystemdBoot', 'Pcr4Uki', 'Pcr11Linux', 'Pcr12CommandLine']
    const uki = predictionOfParts([...parts, 'Pcr4UkiLinux', 'Pcr11EnterInitrd'])
    expect(components(uki)).toEqual(['640-boot-loader-code', '650-uki'])
    expect(partsOf(uki, '650-uki')).toEqual(['Pcr4Uki', 'Pcr11Linux', 'Pcr12CommandLine', 'Pcr4UkiLinux'])
  })

  it('has every bank in each record, in CEL-JSON', () => {
    const document = JSON.parse(formatPcrlock({ predictions: [grub] }))
    expect(Object.keys(document)).toEqual([...files(grub).keys()])
    const [record] = document[Object.keys(document).find(name => name.startsWith('640')) ?? ''].records
    const { digests } = measured('Pcr4Grub')
    expect(record).toEqual({ pcr: 4, digests: banks.map(hashAlg => ({ hashAlg, digest: digests[hashAlg] })) })
  })

  it('names a file by what it holds, so that two images share what is the same', () => {
    const newer = predictionOf(grubParts(2).map(part => measured(part, part.replace(/Vmlinuz/, 'New'))))
    const both = [...files(grub).keys(), ...files(newer).keys()]
    expect(new Set(both).size).toBe(both.length - 4)
    expect([...files(grub).keys()].filter(name => !files(newer).has(name))).toEqual([
      expect.stringMatching(/^650-kernel\.pcrlock\.d\/[0-9a-f]{16}\.pcrlock$/),
    ])
  })

  it('is refused for several predictions, and for an event before any loaded file', () => {
    expect(faultOf(() => files(grub, { ...grub, platform: 'other' })).code).toBe('FORMAT_CANNOT_EXPRESS')
    expect(faultOf(() => files(predictionOfParts(['Pcr4EfiCall', 'Pcr4Fallback', 'Pcr4Shim']))).found).toBe(
      'the event Pcr4Fallback in PCR 4',
    )
  })
})
