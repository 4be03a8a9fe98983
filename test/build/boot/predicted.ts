// What the built command line tool predicts for the files of a scenario, and how that differs from what was measured.

import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { type Bank, banks, type HexDigests, perBank } from '../../../src/formats/bytes/digest.ts'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import type { Prediction, PredictionDocument } from '../../../src/predict/prediction.ts'
import type { BootedScenario } from './boot-scenario.ts'
import type { Measured } from './measured.ts'
import type { Scenario } from './scenario.ts'

const cli = resolve(import.meta.dirname, '../../../dist/cli.js')

export interface ToolRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export function runTool(words: readonly string[]): ToolRun {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [cli, ...words], { encoding: 'utf8' })
  if (error !== undefined) throw error
  return { exitCode: status, stdout, stderr }
}

/**
 * `predict` for the files as they were laid on the ESP. `profile` are directories of variables, never an event log;
 * `substitute` is the log of another boot.
 */
export function predictFor(
  { scenario, espTree }: BootedScenario,
  profile: readonly string[],
  substitute?: string,
): ToolRun {
  const files = filesOf(scenario, espTree)
  const inBanks = banks.flatMap(bank => ['--bank', bank])
  const platform = `${scenario.name}=${profile.join('+')}`
  const kept = substitute === undefined ? [] : ['--substitute', substitute]
  return runTool(['predict', ...files, '--platform', platform, ...kept, '--phase', 'none', ...inBanks, '--json'])
}

/** `explain` for the log of that guest and the files as they were laid on the ESP. */
export function explainFor({ scenario, espTree }: BootedScenario, { directory, profile }: Measured): ToolRun {
  const log = join(directory, 'eventlog.bin')
  const platform = `${scenario.name}=${profile.join('+')}`
  return runTool(['explain', '--log', log, ...filesOf(scenario, espTree), '--platform', platform, '--json'])
}

function filesOf(scenario: Scenario, espTree: string): string[] {
  return scenario.roles.flatMap(([role, path]) => ['--boot-file', `${role}=${join(espTree, path)}`])
}

/** The one prediction. Throws an Error with what the tool wrote when there is none. */
export function onlyPrediction({ exitCode, stdout, stderr }: ToolRun): Prediction {
  if (exitCode !== 0) throw new Error(`predict: exit status ${exitCode}\n${stderr}`)
  const { predictions } = JSON.parse(stdout) as PredictionDocument
  const [prediction] = predictions
  if (prediction === undefined || predictions.length !== 1)
    throw new Error(`predict gave ${predictions.length} predictions`)
  return prediction
}

export interface ComparedPcr {
  readonly pcr: number
  /** SHA-256, read from the TPM by the guest. */
  readonly measured: string
  /** Events of this PCR are in the log. */
  readonly touched: boolean
  readonly predicted: boolean
  /** Why it is not predicted, as the prediction says. */
  readonly because: string | undefined
  /** The first event that differs; undefined for equal lists and where nothing was predicted. */
  readonly event: string | undefined
  /** Banks whose values differ. */
  readonly values: readonly Bank[]
}

/** One PCR of a boot beside its prediction. */
export function comparePcr(measured: Measured, prediction: Prediction, pcr: number): ComparedPcr {
  const predicted = prediction.pcrs[pcr]
  const seen = (bank: Bank) => measured.pcrs[pcr]?.[bank] ?? ''
  const events = extendingEvents(measured, pcr)
  return {
    pcr,
    measured: seen('sha256'),
    touched: events.length > 0,
    predicted: predicted !== undefined,
    because: prediction.notPredicted.find(one => one.pcr === pcr)?.because,
    event: predicted === undefined ? undefined : firstDifference(events, prediction, pcr),
    values: predicted === undefined ? [] : banks.filter(bank => predicted[bank] !== seen(bank)),
  }
}

interface EventToCompare {
  readonly type: string
  readonly digests: HexDigests
}

function extendingEvents(measured: Measured, pcr: number): EventToCompare[] {
  return measured.log.events
    .filter(event => event.pcr === pcr && event.type !== 'EV_NO_ACTION')
    .map(({ type, digests }) => ({ type, digests: perBank(bank => formatHex(digests[bank] ?? new Uint8Array())) }))
}

function firstDifference(seen: readonly EventToCompare[], prediction: Prediction, pcr: number): string | undefined {
  const expected = prediction.events.filter(event => event.pcr === pcr)
  for (let index = 0; index < Math.max(seen.length, expected.length); index++) {
    const [wanted, found] = [expected[index], seen[index]]
    const bank = banks.find(name => wanted?.digests[name] !== found?.digests[name])
    if (bank === undefined && wanted?.type === found?.type) continue
    const describe = (event: EventToCompare | undefined) =>
      event === undefined ? 'nothing' : `${event.type} ${event.digests[bank ?? 'sha256']}`
    return `event ${index} of PCR ${pcr}: predicted ${wanted?.part ?? ''} ${describe(wanted)}, measured ${describe(found)}`
  }
  return undefined
}
