// The files that were predicted are booted under firmware and a TPM: equal events, then equal values, in all banks.
// What the tool refuses to predict does not boot.

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { banks } from '../../src/formats/bytes/digest.ts'
import { comparePcrs } from '../../src/predict/compare-pcrs.ts'
import type { ExplainDocument } from '../../src/predict/explain/explain.ts'
import { bootParts, differencesToRecord } from '../build/boot/boot-packages.ts'
import { type BootedScenario, type BootPlace, bootScenarios, makeBootPlace } from '../build/boot/boot-scenario.ts'
import { type Measured, profileWithout } from '../build/boot/measured.ts'
import { type ComparedPcr, comparePcr, explainFor, onlyPrediction, predictFor } from '../build/boot/predicted.ts'
import type { Scenario } from '../build/boot/scenario.ts'
import {
  changedScenario,
  grubScenarios,
  refusedScenarios,
  substitutions,
  systemdScenarios,
} from '../build/boot/scenarios.ts'

const parts = bootParts()
const booting = [...grubScenarios(parts), ...systemdScenarios(parts)]
const refused = refusedScenarios(parts)
const changed = changedScenario(parts)

/** Boot code, policy, UKIs and their parameters, MOK: to be predicted wherever the files say enough. */
const bootPcrs: readonly number[] = [4, 7, 11, 12, 13, 14]

let place: BootPlace | undefined
let results: ReadonlyMap<string, BootedScenario | Error> = new Map()
const table: string[] = []
const row = (name: string, pcr: string, value: string, ...words: string[]) =>
  [name.padEnd(20), pcr.padStart(3), value.padEnd(17), ...words.map(word => word.padEnd(6))].join('  ').trimEnd()
const say = (line: string) => process.stdout.write(`${line}\n`)

beforeAll(async () => {
  for (const line of differencesToRecord(parts.packages)) say(`not the package of the record: ${line}`)
  const start = performance.now()
  place = makeBootPlace()
  results = await bootScenarios(place, [...booting, changed, ...refused], (name, result) => {
    const how = result instanceof Error ? result.message : `${result.end.how} after ${result.end.seconds.toFixed(0)} s`
    say(`boot ${name}: ${how}`)
  })
  say(`${results.size} boots in ${((performance.now() - start) / 1000).toFixed(0)} s`)
}, 1_800_000)

afterAll(() => {
  place?.remove()
  say(['', row('boot', 'PCR', 'sha256 in the TPM', 'events', 'values'), ...table, ''].join('\n'))
})

function booted({ name }: Scenario): BootedScenario {
  const result = results.get(name)
  if (result === undefined) throw new Error(`${name} was not booted`)
  if (result instanceof Error) throw result
  return result
}

function measuredIn(scenario: Scenario): Measured {
  const { measured, end } = booted(scenario)
  if (measured === undefined)
    throw new Error(`${scenario.name}: nothing came from the guest (${end.how})\n${end.console}`)
  return measured
}

/** Every PCR of the firmware and the boot loaders; the table shows those that boot code is in. */
function compare(scenario: Scenario, otherLog?: string): ComparedPcr[] {
  const measured = measuredIn(scenario)
  const prediction = onlyPrediction(predictFor(booted(scenario), measured.profile, otherLog))
  expect(prediction.secureBoot).toBe(scenario.secureBoot)
  const compared = Array.from({ length: 24 }, (_, pcr) => comparePcr(measured, prediction, pcr))
  for (const { pcr, measured: value, touched, predicted, event, values } of compared) {
    if (!predicted && !(touched && bootPcrs.includes(pcr))) continue
    const words = [event === undefined, values.length === 0].map(equal => (equal ? 'equal' : 'DIFFER'))
    table.push(row(scenario.name, String(pcr), value.slice(0, 16), ...(predicted ? words : ['not predicted'])))
  }
  return compared
}

describe.each(booting)('$name: $what', scenario => {
  it('boots its kernel and leaves a log that replays to the TPM', () => {
    const { log, pcrs, release } = measuredIn(scenario)
    expect(release).toBe(scenario.release)
    expect(log.problems).toEqual([])
    const { compared, differences } = comparePcrs(log, pcrs)
    expect(differences).toEqual([])
    expect(compared).toBeGreaterThan(80)
  })

  it('measures the events and values that were predicted', () => {
    const compared = compare(scenario)
    expect(compared.flatMap(({ event }) => event ?? [])).toEqual([])
    expect(compared.filter(({ values }) => values.length > 0)).toEqual([])
    const left = compared.filter(({ touched, predicted }) => touched && !predicted)
    expect(left.filter(({ because }) => because === undefined)).toEqual([])
    const leftOfBoot = left.map(({ pcr }) => pcr).filter(pcr => bootPcrs.includes(pcr))
    expect(leftOfBoot).toEqual(scenario.notPredicted ?? [])
  })
})

/** One of each shim, where nothing raised the level before. */
describe.each(['grub206-A', 'grub212-A', 'grub212-B-off'])(
  'the files of %s and a profile from before shim ran',
  name => {
    it('give PCR 7 with the level that shim brings', () => {
      const scenario = booting.find(one => one.name === name) ?? changed
      const measured = measuredIn(scenario)
      const prediction = onlyPrediction(predictFor(booted(scenario), profileWithout(measured, 'SbatLevelRT')))
      const compared = comparePcr(measured, prediction, 7)
      expect(compared).toMatchObject({ touched: true, predicted: true, event: undefined, values: [] })
    })
  },
)

describe.each(substitutions)('the log of $from and the files of $to', ({ from, to, pcrs, notTold }) => {
  it('give every PCR of the firmware, and none that another GRUB writes', () => {
    const named = (name: string) => booting.find(scenario => scenario.name === name) ?? changed
    const compared = compare(named(to), join(measuredIn(named(from)).directory, 'eventlog.bin'))
    for (const pcr of pcrs) expect(compared[pcr]).toMatchObject({ pcr, predicted: true, event: undefined, values: [] })
    // PCR 9 is not told for two reasons: the initramfs is no boot file of the command line either
    const because = expect.stringMatching(/another GRUB|initramfs is not among/)
    for (const pcr of notTold) expect(compared[pcr]).toMatchObject({ predicted: false, because })
  })
})

describe(`${changed.name}: ${changed.what}`, () => {
  it('boots, and differs in the event of that file only', () => {
    const compared = compare(changed)
    const different = compared.filter(({ event, values }) => event !== undefined || values.length > 0)
    expect(different.map(({ pcr }) => pcr)).toEqual(changed.changed?.pcrs)
    for (const { event, values } of different) {
      expect(event).toContain('Pcr4Grub')
      expect(values).toEqual([...banks])
    }
  })

  it('is explained by naming that file', () => {
    const { exitCode, stdout, stderr } = explainFor(booted(changed), measuredIn(changed))
    expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: '' })
    const { pcrs } = JSON.parse(stdout) as ExplainDocument
    expect(pcrs.filter(({ equal }) => !equal).map(({ pcr }) => pcr)).toEqual(changed.changed?.pcrs)
    const reason = pcrs.find(({ equal }) => !equal)?.firstDifference?.reason
    expect(reason?.text).toContain(changed.changed?.path)
  })
})

describe.each(refused)('$name: $what', scenario => {
  it('does not boot, and the console says why', () => {
    const { measured, end } = booted(scenario)
    expect(measured).toBeUndefined()
    expect(end.how).not.toBe('timeout')
    expect(end.console).toMatch(scenario.refused?.console ?? /./)
  })

  it('is refused by the command line tool with its reason', () => {
    const sameFirmware = booting.find(({ store, secureBoot }) => store === scenario.store && secureBoot)
    if (sameFirmware === undefined) throw new Error('no boot with the same firmware')
    const profile = measuredIn(sameFirmware).profile.slice(0, 1)
    const { exitCode, stdout } = predictFor(booted(scenario), profile)
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'failed', errorCode: scenario.refused?.code })
    expect(exitCode).toBe(1)
  })
})
