// Shapes as the ConfigMap has them (src/propose/trustee-config-map.ts); claims as Trustee's TPM verifiers name them.

import { describe, expect, it } from 'vitest'
import type { Mix, MixOrigin } from '../../../src/predict/mixes/values.ts'
import { approvedPredictions } from '../../../src/predict/output/choice.ts'
import { formatTrustee, type TrusteeDocument } from '../../../src/predict/output/trustee.ts'
import { tuplePolicy } from '../../../src/predict/output/trustee-tuples.ts'
import { type Platform, parsePlatform } from '../../../src/predict/platform/platform.ts'
import { referenceValues, renderConfigMap } from '../../../src/propose/trustee-config-map.ts'
import { parseYamlFile, textAt } from '../../../src/propose/yaml-file.ts'
import { faultOf } from '../../build/damage.ts'
import { grubParts, measured, predictionOf, predictionOfParts } from '../../build/measured.ts'
import { profile } from '../../build/profile.ts'
import { makeRecord } from '../../build/proposal.ts'

const expires = '2027-11-21T00:00:00Z'
const read = (shape: 'list' | 'map' | 'tuples', document: TrusteeDocument) =>
  JSON.parse(formatTrustee(document, { shape, expires }))
const on = predictionOfParts(grubParts())
const off = predictionOfParts(grubParts(0), { secureBoot: false })
const uki = predictionOfParts(['Pcr7SecureBoot', 'Pcr4Uki', 'Pcr11Linux', 'Pcr11LinuxContent'], { bootChain: 'uki' })
const value = (prediction: typeof on, pcr: number) => `${prediction.pcrs[`${pcr}`]?.sha256}`
const hex = (digit: string) => digit.repeat(64)
const origin = (changes: Partial<MixOrigin> = {}): MixOrigin => ({
  bootLoader: 'a',
  kernel: 'a',
  mok: 'any',
  sbatLevel: 'any',
  because: 'made up',
  ...changes,
})

describe('reference values for Trustee', () => {
  it.each([
    ['list', 'reference-values.json'],
    ['map', 'reference_value'],
  ] as const)('%s: what the ConfigMap holds under %s', (trusteeShape, key) => {
    const record = makeRecord('trustee')
    const values = referenceValues([{ path: 'record.yaml', record }])
    const settings = { namespace: 'trustee', valueLifetime: 365, trusteeShape }
    const file = parseYamlFile('map.yaml', renderConfigMap(settings, values, '2026-11-21'))
    const predictions = record.predictions.map(prediction => ({
      ...on,
      secureBoot: prediction.secureBoot,
      pcrs: prediction.pcrs,
    }))
    expect(formatTrustee({ predictions }, { shape: trusteeShape, expires })).toBe(
      textAt(file.documents[0]?.value, 'data', key),
    )
  })

  it('have the names that policies read: the operator’s for PCR 4 and 14, Trustee’s own for a UKI', () => {
    expect(Object.keys(read('map', { predictions: [on] }))).toEqual(['tpm_pcr4', 'tpm_pcr14'])
    const ofUki = read('map', { predictions: [uki] })
    expect(Object.keys(ofUki)).toEqual(['tpm_pcr4', 'tpm_pcr11', 'snp_pcr11', 'tdx_pcr11'])
    for (const name of ['tpm_pcr11', 'snp_pcr11', 'tdx_pcr11'])
      expect(ofUki[name]).toEqual({ expiration: expires, value: [value(uki, 11)] })
  })

  it('are the union over platforms and mixes, sorted, each once', () => {
    const other = predictionOf(
      grubParts().map(part => measured(part, part === 'Pcr4Shim' ? 'another shim' : part)),
      { platform: 'other' },
    )
    const mixes = [
      {
        platform: 'machine',
        secureBoot: true,
        pcr: 4,
        values: [hex('0'), value(on, 4)].map(sha256 => ({ sha256, from: [] })),
      },
      { platform: 'machine', secureBoot: false, pcr: 4, values: [{ sha256: hex('1'), from: [] }] },
    ]
    const { tpm_pcr4 } = read('map', { predictions: [on, other], mixes })
    expect(tpm_pcr4.value).toEqual([hex('0'), ...[value(on, 4), value(other, 4)].sort()])
  })

  describe('without Secure Boot', () => {
    const node = (name: string, secureBoot?: boolean, measurement: 'tpm' | 'tdx' = 'tpm') => ({
      ...parsePlatform([
        profile(name, secureBoot === undefined ? {} : { SecureBoot: Uint8Array.of(secureBoot ? 1 : 0) }),
      ]),
      measurement,
    })
    const elsewhere = { ...off, platform: 'other' }
    const approved = (predictions: (typeof on)[], platforms: readonly Platform[], wanted?: boolean) =>
      approvedPredictions(predictions, platforms, wanted, 'trustee')

    it('count where the user or the profile of that platform says off', () => {
      expect(approved([off], [node('machine')], false)).toEqual([off])
      expect(approved([off], [node('machine', false)])).toEqual([off])
      expect(approved([on, elsewhere], [node('machine', true), node('other', false)])).toEqual([on, elsewhere])
    })

    it.each([
      ['nobody says anything', undefined, undefined],
      ['the profile has no keys although the user wants Secure Boot', undefined, true],
      ['the profile says on and has no keys', true, undefined],
      ['the profile says off and the user on', false, true],
    ])('do not count where %s', (_, said, wanted) => {
      expect(approved([on, off], [node('machine', said)], wanted)).toEqual([on])
      const fault = faultOf(() => approved([off], [node('machine', said)], wanted))
      expect(fault).toMatchObject({ code: 'FORMAT_CANNOT_EXPRESS', found: expect.stringContaining('nobody said') })
    })

    it('do not count by the word of another platform, and PCRs not for machines with RTMRs', () => {
      expect(approved([on, elsewhere], [node('machine', false), node('other')])).toEqual([on])
      expect(faultOf(() => approved([on], [node('machine', true, 'tdx')])).found).toContain('RTMR')
    })
  })

  it('need a shape, the bank SHA-256 and a PCR that a policy reads', () => {
    const fault = (document: TrusteeDocument, shape: 'map' | undefined = 'map') =>
      faultOf(() => formatTrustee(document, { shape, expires }))
    expect(faultOf(() => formatTrustee({ predictions: [on] }, { shape: undefined, expires })).code).toBe(
      'SETTING_MISSING',
    )
    expect(fault({ predictions: [{ ...on, pcrs: { '4': { sha1: 'ab' } } }] }).found).toBe('PCR 4 in sha1 only')
    expect(fault({ predictions: [predictionOfParts(['Pcr7SecureBoot'])] }).code).toBe('FORMAT_CANNOT_EXPRESS')
  })
})

describe('tuples', () => {
  const tuples = (document: TrusteeDocument) => read('tuples', document).referenceValues.tpm_pcr_tuples.value
  const mix = (pcr: number, ...values: Mix['values']): Mix => ({
    platform: 'machine',
    secureBoot: true,
    pcr,
    values,
  })

  it('hold the PCRs of one boot together, beside the policy that reads them', () => {
    expect(read('tuples', { predictions: [on] })).toEqual({
      referenceValues: {
        tpm_pcr_tuples: {
          expiration: expires,
          value: [{ pcr04: value(on, 4), pcr07: value(on, 7), pcr14: value(on, 14) }],
        },
      },
      policy: tuplePolicy,
    })
    expect(tuples({ predictions: [uki] })).toEqual([
      { pcr04: value(uki, 4), pcr07: value(uki, 7), pcr11: value(uki, 11) },
    ])
  })

  it('take from mixes only what has the same parts', () => {
    const document = {
      predictions: [on],
      mixes: [
        mix(
          4,
          { sha256: hex('0'), from: [origin({ bootLoader: 'old', kernel: 'new' })] },
          { sha256: hex('1'), from: [origin({ bootLoader: 'new', kernel: 'new' })] },
        ),
        mix(
          14,
          { sha256: hex('2'), from: [origin({ bootLoader: 'old', kernel: 'new' })] },
          { sha256: hex('3'), from: [origin({ bootLoader: 'new', kernel: 'new', sbatLevel: 'sbat,1' })] },
        ),
      ],
    }
    const mixed = [
      { pcr04: hex('0'), pcr07: value(on, 7), pcr14: hex('2') },
      { pcr04: hex('1'), pcr07: value(on, 7), pcr14: hex('3') },
    ]
    const own = { pcr04: value(on, 4), pcr07: value(on, 7), pcr14: value(on, 14) }
    expect(new Set(tuples(document))).toEqual(new Set([...mixed, own]))
  })

  it('leave out mixes of another platform or Secure Boot state', () => {
    const elsewhere = [{ ...mix(4, { sha256: hex('0'), from: [origin()] }), platform: 'other' }]
    expect(tuples({ predictions: [on], mixes: elsewhere })).toHaveLength(1)
  })

  it('are refused without PCR 4, and when there are more than a policy can walk through', () => {
    const fault = (document: TrusteeDocument) => faultOf(() => formatTrustee(document, { shape: 'tuples', expires }))
    expect(fault({ predictions: [predictionOfParts(['Pcr7SecureBoot'])] }).found).toContain('no PCR 4')
    const many = Array.from({ length: 70 }, (_, index) => ({ sha256: `${index}`, from: [origin()] }))
    expect(fault({ predictions: [on], mixes: [mix(4, ...many), mix(14, ...many)] }).hint).toContain('--mix-window')
  })

  it('have a policy that compares every claim of one tuple, under the names of the verifiers', () => {
    const rule = /booted_as_predicted\(pcrs\) if \{([^}]*)\{([^}]*)\}/.exec(tuplePolicy)
    expect(rule?.[1]).toContain('query_reference_value("tpm_pcr_tuples")')
    expect(rule?.[1]).toContain('tuple.pcr04 == pcrs.pcr04')
    expect(rule?.[1]?.trim()).toMatch(/every name, value in tuple$/)
    expect(rule?.[2]?.trim()).toBe('pcrs[name] == value')
    for (const claims of ['input.tpm', 'input["az-snp-vtpm"].tpm', 'input["az-tdx-vtpm"].tpm'])
      expect(tuplePolicy).toContain(`booted_as_predicted(${claims})`)
  })
})
