// What a guest measured: its event log, its PCR values and the variables that a platform profile is made of.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { banks } from '../../../src/formats/bytes/digest.ts'
import { type EventLog, parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import { parsePcrs } from '../../../src/predict/compare-pcrs.ts'
import type { PcrValues } from '../../../src/predict/replay.ts'
import { run } from '../real/debian-packages.ts'
import { guestMark } from './guest.ts'
import type { MachineEnd } from './machine.ts'

export interface Measured {
  readonly log: EventLog
  readonly logFrom: 'kernel' | 'memory'
  /** PCR index → bank → value, as the kernel read them from the TPM: 24 in four banks. */
  readonly pcrs: PcrValues
  /** Directories of efivarfs and of shim's variables: a platform profile. The second only where shim ran. */
  readonly profile: readonly string[]
  readonly release: string
  /** Holds eventlog.bin, pcrs.json and the directories of the profile. */
  readonly directory: string
}

/** Unpacks what the guest wrote; undefined when it wrote nothing. Throws an Error when a log or values are missing. */
export function readMeasured(end: MachineEnd, directory: string): Measured | undefined {
  const mark = Buffer.from(end.output).indexOf(`${guestMark}\n`)
  if (mark < 0) return undefined
  mkdirSync(directory)
  const archive = join(directory, 'guest.tar.gz')
  writeFileSync(archive, end.output.subarray(mark + guestMark.length + 1))
  run('tar', ['--extract', '--gzip', '--file', archive, '--directory', directory])
  const pcrs = JSON.stringify(readPcrs(join(directory, 'pcrs')), null, 1)
  writeFileSync(join(directory, 'pcrs.json'), `${pcrs}\n`)
  const logFile = join(directory, 'eventlog.bin')
  const fromKernel = existsSync(logFile) && readFileSync(logFile).length > 0
  if (!fromKernel) {
    if (end.memoryLog === undefined) throw new Error('neither the kernel nor the memory of the guest has an event log')
    writeFileSync(logFile, end.memoryLog)
  }
  const profile = ['efivars', 'mok-variables'].map(name => join(directory, name)).filter(hasFiles)
  return {
    log: parseEventLog(new Uint8Array(readFileSync(logFile)), logFile),
    logFrom: fromKernel ? 'kernel' : 'memory',
    pcrs: parsePcrs(pcrs, directory),
    profile,
    release: readFileSync(join(directory, 'release'), 'utf8').trim(),
    directory,
  }
}

/** The profile without a variable, as a machine has it before that is set. Throws an Error when it never was. */
export function profileWithout({ profile, directory }: Measured, variable: string): readonly string[] {
  const isIt = (name: string) => name === variable || name.startsWith(`${variable}-`)
  if (!profile.some(from => readdirSync(from).some(isIt))) throw new Error(`no ${variable} in ${profile.join(', ')}`)
  return profile.map(from => {
    const to = join(directory, `without-${variable}`, basename(from))
    cpSync(from, to, { recursive: true, filter: source => !isIt(basename(source)) })
    return to
  })
}

function readPcrs(directory: string): Record<string, Record<string, string>> {
  const pcrs: Record<string, Record<string, string>> = {}
  for (const bank of banks) {
    const values: Record<string, string> = {}
    for (let index = 0; index < 24; index++) {
      const value = readFileSync(join(directory, bank, String(index)), 'utf8')
        .trim()
        .toLowerCase()
      if (!/^[0-9a-f]+$/.test(value)) throw new Error(`the guest has no ${bank} value of PCR ${index}`)
      values[index] = value
    }
    pcrs[bank] = values
  }
  return pcrs
}

const hasFiles = (directory: string) => existsSync(directory) && readdirSync(directory).length > 0
