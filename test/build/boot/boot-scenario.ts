// Boots scenarios, two at a time, and keeps what each gave.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDisk, writeEspTree } from './disk.ts'
import { bootMachine, type MachineEnd } from './machine.ts'
import { type Measured, readMeasured } from './measured.ts'
import { type Scenario, variableStoreOf } from './scenario.ts'
import { makeTpmState } from './tpm.ts'

export interface BootedScenario {
  readonly scenario: Scenario
  /** Below it lie the predicted files by their paths on the ESP. */
  readonly espTree: string
  readonly end: MachineEnd
  /** undefined: the guest did not come up. */
  readonly measured: Measured | undefined
}

/** A place for boots; everything below it goes with `remove`. */
export interface BootPlace {
  readonly directory: string
  readonly remove: () => void
}

export function makeBootPlace(): BootPlace {
  const directory = mkdtempSync(join(tmpdir(), 'boots-'))
  makeTpmState(join(directory, 'tpm-state'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', remove)
  return { directory, remove }
}

const machinesAtOnce = 2

/** Boots all; the result of a boot that threw is its error. `ended` is called after each. */
export async function bootScenarios(
  place: BootPlace,
  scenarios: readonly Scenario[],
  ended: (name: string, result: BootedScenario | Error) => void = () => undefined,
): Promise<ReadonlyMap<string, BootedScenario | Error>> {
  const results = new Map<string, BootedScenario | Error>()
  const waiting = [...scenarios]
  const work = async () => {
    for (let scenario = waiting.shift(); scenario !== undefined; scenario = waiting.shift()) {
      const result = await bootScenario(place, scenario).catch((error: Error) => error)
      results.set(scenario.name, result)
      ended(scenario.name, result)
    }
  }
  await Promise.all(Array.from({ length: machinesAtOnce }, work))
  return results
}

async function bootScenario(place: BootPlace, scenario: Scenario): Promise<BootedScenario> {
  const directory = join(place.directory, scenario.name)
  const machine = join(directory, 'machine')
  const espTree = join(directory, 'esp')
  mkdirSync(machine, { recursive: true })
  writeEspTree(espTree, scenario.esp)
  const disk = join(machine, 'disk')
  if (scenario.changed === undefined) makeDisk(disk, espTree)
  else {
    const changedTree = join(machine, 'esp')
    writeEspTree(changedTree, new Map([...scenario.esp, [scenario.changed.path, scenario.changed.bytes]]))
    makeDisk(disk, changedTree)
  }
  const variableStore = variableStoreOf(scenario)
  const tpmState = join(place.directory, 'tpm-state')
  const { logFromMemory = false } = scenario
  const end = await bootMachine({ directory: machine, disk, variableStore, tpmState, logFromMemory })
  const measured = readMeasured(end, join(directory, 'measured'))
  rmSync(machine, { recursive: true, force: true })
  return { scenario, espTree, end, measured }
}
