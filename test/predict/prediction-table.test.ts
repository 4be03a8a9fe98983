import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import type { Prediction, PredictionDocument } from '../../src/predict/prediction.ts'
import { predictionTable } from '../../src/predict/prediction-table.ts'
import { substituteRtmrs } from '../../src/predict/substitution/rtmr.ts'
import type { SubstitutedPrediction } from '../../src/predict/substitution/substituted-prediction.ts'
import { fold } from '../../src/predict/table.ts'
import { grubParts, predictionOfParts } from '../build/measured.ts'

const prediction = predictionOfParts(grubParts())
const file = { role: 'kernel', path: 'vmlinuz', layer: null, size: 1, sha256: '00' }
const tableOf = (
  one: Prediction | SubstitutedPrediction,
  changes: Partial<PredictionDocument<Prediction | SubstitutedPrediction>> = {},
) => predictionTable({ schemaVersion: 1, image: null, bootFiles: [file], predictions: [one], ...changes })

const odd = '\u001b[2J\u001b]0;a\u0007 \u202e\u2028\n\r\u009b31m'
const controls = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u

describe('text of a prediction', () => {
  it('no name of an image, a file or a platform brings control characters or lines of its own', () => {
    const hostile: Prediction = {
      ...prediction,
      platform: `platform${odd}`,
      events: prediction.events.map(event => ({ ...event, because: `${event.because}${odd}` })),
      coverage: { ...prediction.coverage, kernel: { pcr: null, because: odd } },
      notPredicted: [{ pcr: 9, because: odd }],
      notes: [odd],
    }
    const bootFiles = [{ ...file, path: `usr/lib/modules/${odd}/vmlinuz`, signedBy: [odd] }]
    const os = { id: null, versionId: null }
    const image = { source: odd, digest: null, proof: 'local', os, kernelRelease: odd } as const
    const text = tableOf(hostile, { bootFiles, image })
    expect(text).not.toMatch(controls)
    expect(text.split('\n').filter(line => line.length > 80)).toEqual([])
  })

  it('folded words and their heads hold none', () => {
    expect(fold(`a${odd}`, `b${odd}c`).join('\n')).not.toMatch(controls)
    expect(fold('Image  ', 'one\ntwo')).toEqual(['Image  one two'])
  })

  it('tells which PCRs are not predicted, each reason once', () => {
    const notPredicted = [0, 1, 9].map(pcr => ({ pcr, because: pcr === 9 ? 'GRUB reads files' : 'of the firmware' }))
    expect(tableOf({ ...prediction, notPredicted })).toContain(
      '  Not predicted\n    PCR 0, 1: of the firmware\n    PCR 9: GRUB reads files\n',
    )
    expect(tableOf(prediction)).not.toContain('Not predicted')
  })

  it('counts what is assumed from the log, by PCR and by RTMR', () => {
    const assumed = [0, 0, 6].map((pcr, index) => ({ index, pcr, type: 'EV_SEPARATOR', because: 'the same firmware' }))
    expect(tableOf({ ...prediction, assumed })).toContain(
      '  Assumed from the log\n     0 2 events: the same firmware\n     6 1 event: the same firmware\n',
    )
    const name = 'tdx/shim-grub-linux/eventlog.bin'
    const bytes = new Uint8Array(readFileSync(join(import.meta.dirname, '../../fixtures', name)))
    const events = prediction.events.filter(({ type }) => type === 'EV_EFI_BOOT_SERVICES_APPLICATION')
    const known = { ...prediction, bootChain: 'shim-uki', events } as const
    const rtmr = substituteRtmrs({ log: parseEventLog(bytes, name), prediction: known, files: [] })
    expect(Object.keys(rtmr.rtmrs)).toEqual(['1'])
    expect(tableOf({ ...prediction, assumed: [], rtmr })).toContain(
      `  Assumed from the log\n    RTMR 1: ${rtmr.assumed.length} events\n`,
    )
  })
})
