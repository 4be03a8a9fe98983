// Whether a prediction is that of a recorded boot: its own log matches, every other one does not.

import { describe, expect, it } from 'vitest'
import { banks } from '../../src/formats/bytes/digest.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { calibrate } from '../../src/predict/calibration.ts'
import { makeEventLog } from '../build/event-log.ts'
import {
  again,
  candidateOf,
  changedLog,
  hasName,
  indexOf,
  recordedBytes,
  recordedLog,
  replaced,
  textToLog,
} from '../build/explained.ts'

const on = recordedLog('grub-sb')
const off = recordedLog('grub-nosb')
const uki = recordedLog('sdboot257-uki-sb')
const { prediction } = candidateOf(on)
const ukiPrediction = candidateOf(uki, { pcrs: [4, 7, 11, 12] }).prediction

describe('calibration with a log', () => {
  it('matched by the log of the boot itself, in four banks', () => {
    expect(calibrate(prediction, on)).toEqual({ calibration: 'matched', differences: [] })
    expect(calibrate(ukiPrediction, uki)).toEqual({ calibration: 'matched', differences: [] })
  })

  it('says where another boot differs first', () => {
    const { calibration, differences } = calibrate(prediction, off)
    expect(calibration).toBe('uncalibrated')
    expect(differences.map(({ pcr, bank }) => [pcr, bank])).toEqual(
      [4, 7].flatMap(pcr => banks.map(bank => [pcr, bank])),
    )
    expect(differences[0]?.because).toBe('the log has no more events; predicted: Pcr4Vmlinuz (recorded as Pcr4Vmlinuz)')
    expect(differences[4]?.because).toMatch(
      /^event \d+, EV_EFI_VARIABLE_DRIVER_CONFIG, SecureBoot; predicted: Pcr7Secu/,
    )
  })

  it.each([4, 7, 14])('one changed event of PCR %i is enough', pcr => {
    const at = indexOf(on, pcr, ({ type }) => type !== 'EV_SEPARATOR')
    const log = replaced(on, at, { pcr, type: 13, data: Uint8Array.of(1, 2, 3) })
    expect(calibrate(prediction, log).differences.map(one => one.pcr)).toEqual(banks.map(() => pcr))
  })

  it('an event in a PCR that stays untouched is enough', () => {
    const log = changedLog(uki, events => [...events.map(again), textToLog(12, 'ipl', 'quiet')])
    expect(calibrate(ukiPrediction, log).differences.map(one => one.pcr)).toEqual(banks.map(() => 12))
  })

  it('a log that ends in the middle is not enough', () => {
    const end = on.events[indexOf(on, 14, hasName('MokListTrusted'))]?.offset
    const log = parseEventLog(recordedBytes('grub-sb').subarray(0, end), 'cut')
    expect(calibrate(prediction, log).calibration).toBe('uncalibrated')
  })

  it('nothing in common is not matched', () => {
    const sha1Only = {
      ...prediction,
      pcrs: { '4': {} },
      events: prediction.events.map(one => ({ ...one, digests: {} })),
    }
    expect(calibrate(sha1Only, on)).toEqual({
      calibration: 'uncalibrated',
      differences: [
        { pcr: 4, bank: undefined, because: 'not compared: the log has the banks sha1, sha256, sha384, sha512' },
      ],
    })
    const empty = parseEventLog(makeEventLog(banks, []), 'empty')
    expect(calibrate(prediction, empty).calibration).toBe('uncalibrated')
  })

  it('phases of systemd are not asked of the log', () => {
    const initrd = changedLog(uki, events => [...events.map(again), textToLog(11, 'ipl', 'enter-initrd')])
    expect(calibrate(candidateOf(initrd, { pcrs: [4, 11] }).prediction, uki).calibration).toBe('matched')
  })
})
