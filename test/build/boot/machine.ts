// One boot of a virtual machine in software emulation: QEMU q35 with OVMF's Secure Boot firmware, a TPM and one disk.

import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { findEventLog } from './memory-log.ts'
import { spawnGuarded } from './spawn-guarded.ts'
import { startTpm } from './tpm.ts'

/** Of Debian's package ovmf. */
export const firmwareDirectory = '/usr/share/OVMF'
const firmwareCode = join(firmwareDirectory, 'OVMF_CODE_4M.secboot.fd')

export interface MachineToBoot {
  /** Empty; holds everything of this machine. */
  readonly directory: string
  readonly disk: string
  readonly variableStore: Uint8Array
  readonly tpmState: string
  /** Take the event log out of the memory when the kernel starts; its command line needs `linuxEarlyConsole`. */
  readonly logFromMemory: boolean
}

/** How a boot ended. */
export interface MachineEnd {
  /** powered-off: by the guest or a boot loader; stopped: its console showed that nothing more will come; timeout. */
  readonly how: 'powered-off' | 'stopped' | 'timeout'
  /** What firmware, boot loaders and kernel wrote to the console. */
  readonly console: string
  /** What the guest wrote to its second serial port. */
  readonly output: Uint8Array
  /** The event log out of the guest's memory; undefined when it was not asked for or not found. */
  readonly memoryLog: Uint8Array | undefined
  readonly seconds: number
}

/** Ends that no machine comes back from by itself. */
const hopeless = new RegExp(
  [
    'No bootable option or device was found',
    'Press any key to enter the Boot Manager Menu',
    // shim's message, which waits for a key
    'Verification failed: .* Security Violation',
    'Kernel panic',
  ].join('|'),
)

/** Makes Linux write to the first serial port before it takes over the firmware's memory. */
export const linuxEarlyConsole = 'earlyprintk=serial,ttyS0,115200'

/** Milliseconds; a boot takes 20 seconds where nothing else runs. */
const longest = 300_000
const memoryMebibytes = 1024
/** Boots and waits for the end. Leaves no process behind. */
export async function bootMachine(wanted: MachineToBoot): Promise<MachineEnd> {
  const { directory } = wanted
  const start = performance.now()
  const inside = (name: string) => join(directory, name)
  writeFileSync(inside('vars.fd'), wanted.variableStore)
  writeFileSync(inside('console'), '')
  writeFileSync(inside('output'), '')
  const tpm = await startTpm(wanted.tpmState, directory)
  const words = machineWords(wanted, tpm.socket)
  const errors = openSync(inside('errors'), 'w')
  const machine = spawnGuarded('qemu-system-x86_64', words, errors)
  closeSync(errors)
  try {
    const ended = new Promise<void>((resolve, reject) => {
      machine.once('exit', () => resolve())
      machine.once('error', reject)
    })
    const stop = new AbortController()
    let memoryLog: Uint8Array | undefined
    if (wanted.logFromMemory) {
      const stopper = stopWhenLinuxStarts(machine, inside('console'))
      const stopped = new Promise<void>(resolve => stopper.once('exit', () => resolve()))
      await Promise.race([ended, stopped, consoleShows(inside('console'), hopeless, stop.signal)])
      stopper.kill('SIGKILL')
      memoryLog = findEventLog(inside('memory'))
      machine.kill('SIGCONT')
    }
    const how = await Promise.race([
      ended.then(() => 'powered-off' as const),
      consoleShows(inside('console'), hopeless, stop.signal),
    ])
    stop.abort()
    machine.kill('SIGKILL')
    await ended
    if (machine.exitCode !== null && machine.exitCode !== 0)
      throw new Error(`qemu-system-x86_64: exit status ${machine.exitCode}\n${readFileSync(inside('errors'), 'utf8')}`)
    const seconds = (performance.now() - start) / 1000
    const console = plain(readFileSync(inside('console'), 'latin1'))
    return { how, console, output: new Uint8Array(readFileSync(inside('output'))), memoryLog, seconds }
  } finally {
    for (const child of [machine, tpm.server]) child.kill('SIGKILL')
  }
}

/** A process of its own, so that the machine stops before Linux uses the memory of the log, however busy this process is. */
function stopWhenLinuxStarts(machine: ChildProcess, console: string): ChildProcess {
  const script = 'until grep -q "Linux version [0-9]" "$1"; do sleep 0.02; done; kill -STOP "$2"'
  return spawnGuarded('sh', ['-c', script, 'sh', console, String(machine.pid)], 'ignore')
}

function machineWords({ directory, disk, logFromMemory }: MachineToBoot, socket: string): string[] {
  const inside = (name: string) => join(directory, name)
  const memoryFile = `memory-backend-file,id=memory,size=${memoryMebibytes}M,mem-path=${inside('memory')},share=on`
  return [
    ['-nodefaults'],
    ['-no-user-config'],
    ['-machine', `q35,smm=on,accel=tcg${logFromMemory ? ',memory-backend=memory' : ''}`],
    logFromMemory ? ['-object', memoryFile] : [],
    ['-cpu', 'max'],
    ['-m', String(memoryMebibytes)],
    ['-smp', '1'],
    ['-display', 'none'],
    ['-monitor', 'none'],
    ['-rtc', 'base=2026-11-01T00:00:00'],
    ['-global', 'driver=cfi.pflash01,property=secure,value=on'],
    ['-global', 'ICH9-LPC.disable_s3=1'],
    ['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${firmwareCode}`],
    ['-drive', `if=pflash,unit=1,format=raw,file=${inside('vars.fd')}`],
    ['-drive', `if=none,id=disk,format=raw,file=${disk}`],
    ['-device', 'virtio-blk-pci,drive=disk,bootindex=0'],
    ['-chardev', `socket,id=tpm,path=${socket}`],
    ['-tpmdev', 'emulator,id=tpm,chardev=tpm'],
    ['-device', 'tpm-crb,tpmdev=tpm'],
    ['-serial', `file:${inside('console')}`],
    ['-serial', `file:${inside('output')}`],
  ].flat()
}

/** Looks at the end of the console until it shows the text, or too much time has gone. */
async function consoleShows(console: string, text: RegExp, signal: AbortSignal): Promise<'stopped' | 'timeout'> {
  const until = performance.now() + longest
  while (performance.now() < until && !signal.aborted) {
    await wait(50)
    if (text.test(plain(tail(console, 8192)))) return 'stopped'
  }
  return 'timeout'
}

function tail(file: string, length: number): string {
  const { size } = statSync(file)
  const bytes = Buffer.alloc(Math.min(size, length))
  const descriptor = openSync(file, 'r')
  readSync(descriptor, bytes, 0, bytes.length, size - bytes.length)
  closeSync(descriptor)
  return bytes.toString('latin1')
}

/** Without the terminal's control sequences. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what terminals are sent
  return text.replace(/\u001b\[[0-9;?]*[A-Za-z]|\u001b[=>c]/g, '').replace(/\r/g, '')
}
