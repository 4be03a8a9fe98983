// All recorded boots replay to the PCRs that their TPM held, and tpm2_eventlog reads the same events.

import { describe, expect, it } from 'vitest'
import { banks } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { comparePcrs, parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'
import { eventsOfYaml } from './tpm2-eventlog.ts'

sayWhatIsNotChecked('replay of nine recorded boots')
const boots = shared.names('boots')

describe.skipIf(shared.missing)('recorded boots', () => {
  it('are nine', () => expect(boots).toHaveLength(9))

  it.each(boots)('%s replays to PCR 0 to 9 and 11 to 23 in four banks', boot => {
    const log = parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
    const pcrs = parsePcrs(shared.text('boots', boot, 'pcrs.json'), 'pcrs.json')
    expect(log.problems).toEqual([])
    expect(Object.keys(pcrs)).toHaveLength(24)
    for (const values of Object.values(pcrs)) expect(Object.keys(values)).toEqual([...banks])
    const { compared, differences } = comparePcrs(log, pcrs)
    expect(differences).toEqual([])
    expect(compared).toBeGreaterThan(80)
  })

  it.each(boots)('%s has the events that tpm2_eventlog reads', boot => {
    const log = parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
    const read = log.events.map(({ index, pcr, type, digests, data }) => ({
      index,
      pcr,
      type,
      // tpm2_eventlog prints the one digest of the Spec ID event without its algorithm.
      sha256: index === 0 ? '' : formatHex(digests.sha256 ?? new Uint8Array(0)),
      size: data.length,
    }))
    expect(read).toEqual(eventsOfYaml(shared.text('boots', boot, 'eventlog.yaml')))
    expect(log.events.filter(event => event.error !== undefined)).toEqual([])
  })
})
