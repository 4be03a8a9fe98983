// Names and rules as in compute-pcrs, lib/src/tpmevents.rs and lib/src/tpmevents/compute.rs.

import { describe, expect, it } from 'vitest'
import { formatComputePcrs, labelledPcrs } from '../../../src/predict/output/compute-pcrs.ts'
import type { Prediction } from '../../../src/predict/prediction.ts'
import { faultOf } from '../../build/damage.ts'
import { grubParts, predictionOfParts } from '../../build/measured.ts'

const format = (...predictions: readonly Prediction[]) => formatComputePcrs({ predictions })
const refusal = (parts: readonly string[]) => faultOf(() => format(predictionOfParts(parts)))
const insert = (parts: readonly string[], part: string, before: string) =>
  parts.flatMap(name => (name === before ? [part, name] : [name]))

describe('a prediction as compute-pcrs prints it', () => {
  it('holds every PCR with its events in log order and the SHA-256 bank', () => {
    const prediction = predictionOfParts(grubParts())
    const { pcrs } = JSON.parse(format(prediction))
    expect(pcrs.map(({ id }: { id: number }) => id)).toEqual([4, 7, 14])
    for (const { id, value, events } of pcrs) {
      expect(value).toBe(prediction.pcrs[`${id}`]?.sha256)
      expect(events).toEqual(
        prediction.events
          .filter(({ pcr }) => pcr === id)
          .map(({ type, pcr, digests, part }) => ({ name: type, pcr, hash: digests.sha256, id: part })),
      )
    }
  })

  it('holds a boot whose kernel is not measured', () => {
    const { pcrs } = JSON.parse(format(predictionOfParts(grubParts(0), { secureBoot: false })))
    expect(pcrs[0].events.at(-1).id).toBe('Pcr4Grub')
  })

  it('names the sections of PCR 11 as compute-pcrs does', () => {
    const parts = ['Linux', 'Osrel', 'Cmdline', 'Initrd', 'Uname', 'Sbat']
    const prediction = predictionOfParts(parts.flatMap(name => [`Pcr11${name}`, `Pcr11${name}Content`]))
    const [pcr] = labelledPcrs(prediction, [11])
    expect(pcr?.events.map(({ name }) => name)).toEqual(
      ['.linux', '.osrel', '.cmdline', '.initrd', '.uname', '.sbat'].flatMap(name => [name, `${name}_CONTENT`]),
    )
  })

  it('takes single PCRs, for the label', () => {
    expect(labelledPcrs(predictionOfParts(grubParts()), [14, 4]).map(({ id }) => id)).toEqual([4, 14])
  })
})

describe('what compute-pcrs has no form for is refused', () => {
  it.each([
    ['a UKI in PCR 4', ['Pcr4EfiCall', 'Pcr4Separator', 'Pcr4Uki', 'Pcr12CommandLine']],
    ['systemd-boot', ['Pcr4EfiCall', 'Pcr4Separator', 'Pcr4SystemdBoot']],
    ['a kernel that is measured twice', grubParts(2)],
    ['MokSBState in PCR 7', insert(grubParts(), 'Pcr7MokSBState', 'Pcr7SbatLevel')],
    ['MokSBState in PCR 14', insert(grubParts(), 'Pcr14MokSBState', 'Pcr14MokListTrusted')],
    ['the certificate of a MOK that signed the kernel', [...grubParts(), 'Pcr7KernelMokListCert']],
    ['.splash', ['Pcr11Linux', 'Pcr11LinuxContent', 'Pcr11Splash', 'Pcr11SplashContent']],
    ['a phase', ['Pcr11Linux', 'Pcr11LinuxContent', 'Pcr11EnterInitrd']],
    ['PCR 12', [...grubParts(), 'Pcr12CommandLine']],
  ])('%s', (_, parts) => {
    const fault = refusal(parts)
    expect(fault.code).toBe('FORMAT_CANNOT_EXPRESS')
    expect(`${fault.found}`).toMatch(/Pcr|PCR 12/)
  })

  it('an order other than that of TPMEventID, which the operator would sort into', () => {
    const parts = insert(grubParts(), 'Pcr7SbatLevel', 'Pcr7ShimCert').filter(
      (part, index, all) => all.indexOf(part) === index,
    )
    expect(refusal(parts).found).toBe('Pcr7ShimCert after Pcr7SbatLevel')
  })

  it('one event twice, of which the operator would keep the last', () => {
    expect(refusal([...grubParts(), 'Pcr4Vmlinuz']).found).toBe('Pcr4Vmlinuz after Pcr4Vmlinuz')
  })

  it('several predictions, with a hint how to choose one', () => {
    const [on, off] = [predictionOfParts(grubParts()), predictionOfParts(grubParts(0), { secureBoot: false })]
    const fault = faultOf(() => format(on, off))
    expect(fault.code).toBe('FORMAT_CANNOT_EXPRESS')
    expect(fault.found).toBe('machine, Secure Boot on; machine, Secure Boot off')
    expect(fault.hint).toContain('--secure-boot')
    expect(faultOf(() => format()).found).toBe('no prediction')
  })

  it('values of other banks only', () => {
    const prediction = predictionOfParts(grubParts())
    const pcrs = { ...prediction.pcrs, '4': { sha384: prediction.pcrs['4']?.sha384 ?? '' } }
    expect(faultOf(() => format({ ...prediction, pcrs })).found).toBe('PCR 4 in sha384 only')
  })

  it('a PCR that is asked for and not predicted', () => {
    expect(faultOf(() => labelledPcrs(predictionOfParts(grubParts()), [11])).found).toContain('no event of PCR 11')
  })
})
