import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommandLine } from '../../src/commands/from-command-line.ts'
import { replayLog } from '../../src/commands/replay.ts'
import { readLocalFile } from '../../src/edge/files.ts'
import { ToolError } from '../../src/errors.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import type { PredictedImage, PredictionDocument } from '../../src/predict/prediction.ts'
import { predictionTable } from '../../src/predict/prediction-table.ts'
import { makeGrub, makeKernel, makeShim } from '../build/boot-files.ts'

const boots = join(import.meta.dirname, '../../fixtures/boots')
let directory = ''
const at = (name: string) => join(directory, name)

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'predict-'))
  writeFileSync(at('shimx64.efi'), makeShim({ seed: 1 }))
  writeFileSync(at('grubx64.efi'), makeGrub({ seed: 1 }))
  writeFileSync(at('vmlinuz'), makeKernel({ seed: 1, release: '6.1.0-1' }))
})
afterAll(() => rmSync(directory, { recursive: true }))

const roles = { shim: 'shimx64.efi', grub: 'grubx64.efi', kernel: 'vmlinuz' } as const

/** `predict` as the CLI runs it. */
async function predict(words: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  let [stdout, stderr] = ['', '']
  const code = await runCommandLine({
    words: ['predict', ...words],
    environment: {},
    directory,
    version: '0',
    stdout: text => {
      stdout += text
    },
    stderr: text => {
      stderr += text
    },
  })
  return { code, stdout, stderr }
}

const bootFiles = (...only: (keyof typeof roles)[]) =>
  (only.length > 0 ? only : (['shim', 'grub', 'kernel'] as const)).flatMap(role => [
    '--boot-file',
    `${role}=${at(roles[role])}`,
  ])

async function codeOf(work: Promise<unknown>): Promise<string> {
  const fault: unknown = await work.then(() => undefined).catch((error: unknown) => error)
  if (fault instanceof ToolError) return fault.code
  throw new Error('no ToolError', { cause: fault })
}

const longestLine = (text: string) => Math.max(...text.split('\n').map(line => line.length))

describe('predict', () => {
  it('gives the document of the interface', async () => {
    const { stdout, code } = await predict([...bootFiles(), '--json'])
    const document: PredictionDocument = JSON.parse(stdout)
    expect(code).toBe(0)
    expect(Object.keys(document)).toEqual(['schemaVersion', 'image', 'bootFiles', 'predictions'])
    expect(document.schemaVersion).toBe(1)
    expect(document.image).toBeNull()
    expect(document.bootFiles.map(({ path }) => path)).toEqual(Object.values(roles).map(at))
    expect(document.predictions).toHaveLength(2)
  })

  it('prints a table of at most 80 columns with values, reasons and coverage', async () => {
    const words = [...bootFiles(), '--secure-boot', 'on', '--bank', 'sha1,sha256,sha384,sha512']
    const document: PredictionDocument = JSON.parse((await predict([...words, '--json'])).stdout)
    const { stdout: text } = await predict(words)
    expect(longestLine(text)).toBeLessThanOrEqual(80)
    const [prediction] = document.predictions
    for (const value of Object.values(prediction?.pcrs['4'] ?? {})) expect(text.replace(/\s+/g, '')).toContain(value)
    expect(text).toContain('Secure Boot on')
    expect(text).toMatch(/kernel +by PCR 4/)
    expect(text.replace(/\s+/g, ' ')).toContain('loaded by GRUB')
  })

  it('says what image the files came from', async () => {
    const image: PredictedImage = {
      source: 'docker://registry.example/os/image:1',
      digest: `sha256:${'1'.repeat(64)}`,
      proof: 'all-layers',
      os: { id: 'rhcos', versionId: '9.6' },
      kernelRelease: '6.1.0-1',
    }
    const files = await Promise.all(
      (['shim', 'grub', 'kernel'] as const).map(async role => {
        const path = at(roles[role])
        return { role, path, layer: null, bytes: await readLocalFile(path, 1e6) }
      }),
    )
    const text = predictionTable({
      schemaVersion: 1,
      image,
      ...predictImage({ files, secureBoot: true, banks: ['sha256'] }),
    })
    expect(text).toContain('6.1.0-1')
    expect(longestLine(text)).toBeLessThanOrEqual(80)
  })

  it.each([
    ['a file that is not there', ['--boot-file', 'shim=none'], 'FILE_NOT_FOUND', 1],
    ['a directory', ['--boot-file', 'shim=/'], 'FILE_NOT_FOUND', 1],
    ['a set that is no chain', () => bootFiles('grub'), 'BOOT_CHAIN_UNKNOWN', 2],
    ['a platform that is not there', () => [...bootFiles(), '--platform', 'none'], 'FILE_NOT_FOUND', 1],
    ['a directory that is no platform', () => [...bootFiles(), '--platform', directory], 'PLATFORM_INVALID', 1],
  ] as const)('refuses %s', async (_, words, wanted, exitCode) => {
    const { code, stderr, stdout } = await predict(typeof words === 'function' ? words() : words)
    expect(stderr).toContain(wanted)
    expect(code).toBe(exitCode)
    expect(stdout).toBe('')
  })

  it('refuses two forms at once, with a document of the error', async () => {
    const { code, stderr, stdout } = await predict([...bootFiles(), '--json', '--format', 'keylime'])
    expect({ code, outcome: JSON.parse(stdout).outcome }).toEqual({ code: 2, outcome: 'failed' })
    expect(stderr).toContain('USAGE: --json has no effect beside format keylime')
  })
})

describe('replay', () => {
  const log = join(boots, 'grub-sb/eventlog.bin')

  it('agrees with the recorded PCRs', async () => {
    const pcrs = join(boots, 'grub-sb/pcrs.json')
    const { document, text, differs } = await replayLog({ log, banks: ['sha256'], pcrs })
    expect(differs).toBe(false)
    expect(text).toContain('values that were compared')
    expect(longestLine(text)).toBeLessThanOrEqual(80)
    expect(Object.keys(document)).toEqual(['schemaVersion', 'pcrs', 'events', 'problems'])
    expect(Object.keys(document.pcrs['4'] ?? {})).toEqual(['sha256'])
  })

  it('differs from the PCRs of another boot', async () => {
    const pcrs = join(boots, 'grub-nosb/pcrs.json')
    const { document, text, differs } = await replayLog({ log, banks: ['sha256'], pcrs })
    expect(differs).toBe(true)
    // As recorded: the boots differ in firmware state, boot files measured, keys and GRUB's view, not in PCR 14.
    expect(document.problems.every(({ code }) => code === 'LOG_DIFFERS')).toBe(true)
    expect(document.problems.some(({ message }) => message.startsWith('PCR 4 '))).toBe(true)
    expect(document.problems.some(({ message }) => message.startsWith('PCR 14 '))).toBe(false)
    expect(text).toMatch(/\d+ values differ/)
    expect(longestLine(text)).toBeLessThanOrEqual(80)
  })

  it('refuses what is no log', async () => {
    writeFileSync(at('text'), 'not an event log, only a text that is long enough')
    expect(await codeOf(replayLog({ log: at('text'), banks: ['sha256'] }))).toBe('EVENT_LOG_INVALID')
    expect(await codeOf(replayLog({ log, banks: ['sha256'], pcrs: at('text') }))).toBe('INPUT_INVALID')
  })
})

describe('files of this machine', () => {
  it('are read whole, up to the ceiling', async () => {
    writeFileSync(at('ten'), 'ten bytes!')
    expect(Buffer.from(await readLocalFile(at('ten'), 10)).toString()).toBe('ten bytes!')
    expect(await codeOf(readLocalFile(at('ten'), 9))).toBe('CEILING_REACHED')
  })

  it('of a file system that says size 0 are read too', async () => {
    expect((await readLocalFile('/proc/self/status', 1e6)).length).toBeGreaterThan(100)
    expect(await codeOf(readLocalFile('/proc/self/status', 10))).toBe('CEILING_REACHED')
  })
})
