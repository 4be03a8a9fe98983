import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { digestIn, digestInBanks, formatDigests } from '../../../src/formats/bytes/digest.ts'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { rtmrOfIndex } from '../../../src/formats/tcg/cc-log.ts'
import { type EventLog, parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import type { BootFile } from '../../../src/image/boot-file.ts'
import { extendAll } from '../../../src/predict/extend.ts'
import type { MeasuredEvent, Prediction } from '../../../src/predict/prediction.ts'
import { hexDigests } from '../../../src/predict/substitution/boot-inputs.ts'
import { substituteRtmrs } from '../../../src/predict/substitution/rtmr.ts'
import { substitute } from '../../../src/predict/substitution/substitution.ts'
import { faultOf } from '../../build/damage.ts'
import { makeEventLog } from '../../build/event-log.ts'

const fixtures = join(import.meta.dirname, '../../../fixtures')
const read = (path: string) => parseEventLog(new Uint8Array(readFileSync(join(fixtures, path))), path)
const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const tdx = read('tdx/shim-grub-linux/eventlog.bin')

/** RTMR[0] to RTMR[3] that confidential-containers/trustee expects of this log (deps/eventlog/src/lib.rs, test_rtmr_integrity). */
const expected = {
  0: 'cec0a104f691f60da2387fea3c2de00c4ac035e2bb479ff02edcce69039d9e9907f0b3e55031da3dc7038f423adebd79',
  1: '6c289e0c62182d41ebe97bdbc9872d10998a08eaa86adcdc684001a363207ee72942c7522cdf00a4bbc3d784bed7b670',
  2: '08919d017ba0e52cd6d966351c7de16fe76c1d3d3d3da4554239e4c7d16cb8b82a94e7eaea3a0e6e18eb690b999fd31e',
  3: '0'.repeat(96),
}

/** RTMR[0] to RTMR[3] that a log itself gives. */
const replayRtmrs = (log: EventLog) =>
  [0, 1, 2, 3].map(rtmr => {
    const events = log.events.filter(event => event.type !== 'EV_NO_ACTION' && rtmrOfIndex(event.pcr) === rtmr)
    const digests = events.flatMap(event => event.digests.sha384 ?? [])
    return formatHex(extendAll('sha384', new Uint8Array(48), digests))
  })

type Known = Pick<Prediction, 'secureBoot' | 'bootChain' | 'events'>

/** What a predictor would say of the files in that log: its own events, under the PCRs of a TPM. */
function predictionLike(log: EventLog, change: (event: MeasuredEvent) => MeasuredEvent = event => event): Known {
  const mok = ['MokList', 'MokListX', 'MokListTrusted']
  const events = log.events.flatMap(event => {
    const text = event.decoded?.kind === 'text' ? event.decoded.text : ''
    const pcr =
      event.type === 'EV_EFI_BOOT_SERVICES_APPLICATION' ? 4 : event.type === 'EV_EFI_VARIABLE_AUTHORITY' ? 7 : 14
    if (pcr === 14 && !mok.includes(text)) return []
    const digests = { ...formatDigests(digestInBanks(event.data)), ...hexDigests(event) }
    return [change({ pcr, type: event.type, digests, part: `Pcr${pcr}Test`, because: 'test' })]
  })
  return { secureBoot: true, bootChain: 'shim-uki', events }
}

describe('RTMR values', () => {
  it('of a published log are those that trustee expects', () => {
    expect(replayRtmrs(tdx)).toEqual(Object.values(expected))
  })

  it('with the files of the log itself are those of the log: every event has its place and order', () => {
    const { rtmrs, notPredicted, assumed, events } = substituteRtmrs({
      log: tdx,
      prediction: predictionLike(tdx),
      files: [],
    })
    expect(rtmrs[0]).toBe(expected[0])
    expect(rtmrs[1]).toBe(expected[1])
    expect(rtmrs[2], 'the stub’s input cannot be told').toBeUndefined()
    expect(notPredicted).toEqual([{ rtmr: 2, because: expect.stringContaining('LoadOptions') }])
    expect(new Set(assumed.map(({ rtmr }) => rtmr))).toEqual(new Set([0, 1]))
    expect(events.filter(({ type }) => type === 'EV_EFI_BOOT_SERVICES_APPLICATION')).toHaveLength(5)
    expect(assumed.some(({ type }) => type === 'EV_EFI_BOOT_SERVICES_APPLICATION')).toBe(false)
  })

  it('another boot file changes RTMR 1 only', () => {
    const other = formatDigests(digestInBanks(Uint8Array.of(1)))
    const prediction = predictionLike(tdx, event => (event.pcr === 4 ? { ...event, digests: other } : event))
    const { rtmrs } = substituteRtmrs({ log: tdx, prediction, files: [] })
    expect(rtmrs[0]).toBe(expected[0])
    expect(rtmrs[1]).toMatch(/^[0-9a-f]{96}$/)
    expect(rtmrs[1]).not.toBe(expected[1])
  })

  it('a kernel that GRUB read is replaced in RTMR 2, and named for no PCR', () => {
    const path = '/vmlinuz'
    const ipl = (text: string, hashed: string) => ({
      ...{ pcr: 3, type: 13, data: ascii(`${text}\0`) },
      digests: { sha384: digestIn('sha384', ascii(hashed)) },
    })
    const grub = [
      ipl(`grub_cmd: linux ${path} ro`, 'command'),
      ipl(path, 'old kernel'),
      ipl('grub_cmd: initrd /initrd.img', 'command'),
      ipl('/initrd.img', 'initramfs'),
    ]
    const records = tdx.events.slice(1).filter(({ pcr }) => pcr !== 3)
    const old = records.map(({ pcr, typeNumber, data, digests }) => ({ pcr, type: typeNumber, data, digests }))
    const log = parseEventLog(makeEventLog(['sha384'], [...old, ...grub]), 'log')
    const known = predictionLike(log, event => event)
    const loader = known.events.findLast(({ pcr }) => pcr === 4)
    const events = known.events.map(event => (event === loader ? { ...event, part: 'Pcr4Grub' } : event))
    const file = (role: BootFile['role'], name: string, contents: string) => ({
      ...{ role, path: name, layer: null },
      bytes: ascii(contents),
    })
    const files = [file('kernel', 'vmlinuz', 'new kernel'), file('initramfs', 'initrd.img', 'initramfs')]
    const prediction = { ...known, events, bootChain: 'shim-grub-linux' } as const
    const { rtmrs, events: told, notPredicted } = substituteRtmrs({ log, prediction, files })
    expect(notPredicted).toEqual([])
    expect(rtmrs[2]).toMatch(/^[0-9a-f]{96}$/)
    const reads = told.filter(({ because }) => because.includes('read by GRUB'))
    expect(reads.map(({ rtmr, part }) => [rtmr, part])).toEqual([
      [2, 'RtmrBootInput'],
      [2, 'RtmrBootInput'],
    ])
  })

  it('are not claimed without a prediction of PCR 7, nor for events that the log shows none of', () => {
    const { events, ...rest } = predictionLike(tdx)
    const section = { pcr: 11, type: 'EV_IPL', part: 'Pcr11Linux', because: 'test' }
    const digests = formatDigests(digestInBanks(Uint8Array.of(1)))
    const without = { ...rest, events: [...events.filter(({ pcr }) => pcr !== 7), { ...section, digests }] }
    const { rtmrs, notPredicted } = substituteRtmrs({ log: tdx, prediction: without, files: [] })
    expect(Object.keys(rtmrs)).toEqual(['1'])
    expect(notPredicted.map(({ rtmr, because }) => `${rtmr} ${because}`)).toEqual([
      '0 needs a platform profile',
      expect.stringMatching(/^2 .*Pcr11Linux/),
    ])
  })

  it('are refused for a log of PCRs, and PCRs for a log of TDX', () => {
    const sb = read('boots/grub-sb/eventlog.bin')
    const prediction = { ...predictionLike(tdx), pcrs: {}, notPredicted: [], notes: [] }
    expect(faultOf(() => substituteRtmrs({ log: sb, prediction, files: [] })).code).toBe('LOG_UNSUITABLE')
    expect(faultOf(() => substitute({ log: tdx, prediction, files: [] }, ['sha384'])).code).toBe('LOG_UNSUITABLE')
  })
})
