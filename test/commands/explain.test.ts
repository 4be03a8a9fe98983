// `explain` from files and records of this machine to document, text and exit code.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { explainLog } from '../../src/commands/explain.ts'
import { runCommandLine } from '../../src/commands/from-command-line.ts'
import type { Candidate } from '../../src/predict/explain/candidates.ts'
import { formatRecord } from '../../src/propose/record.ts'
import type { ImageRecord } from '../../src/propose/record-schema.ts'
import type { ExplainOptions } from '../../src/settings/settings.ts'
import { makeGrub, makeKernel, makeShim } from '../build/boot-files.ts'
import { makeEventLog } from '../build/event-log.ts'
import { expectToolError } from '../build/expect-error.ts'
import { candidateOf, imageToLog, indexOf, recordedLog, replaced } from '../build/explained.ts'
import { hexOf, imageOf, makePrediction, makeRecord } from '../build/proposal.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const boots = join(import.meta.dirname, '../../fixtures/boots')
const log = join(boots, 'grub-sb', 'eventlog.bin')
const directory = temporaryDirectory()
const on = recordedLog('grub-sb')
const grubAt = indexOf(
  on,
  4,
  one => one.decoded?.kind === 'image' && one.decoded.filePath === '\\EFI\\BOOT\\grubx64.efi',
)

const request = (source: ExplainOptions['source'], changes: Partial<ExplainOptions> = {}): ExplainOptions => ({
  architecture: 'amd64',
  platforms: [],
  secureBoot: undefined,
  banks: ['sha256'],
  phase: 'none',
  bootChain: undefined,
  allowInsecure: false,
  cache: false,
  cacheDirectory: undefined,
  source,
  log,
  pcrs: undefined,
  ...changes,
})

/** A record that predicts exactly what the candidate does. */
function recordOf(seed: string, { prediction }: Candidate, changes: Partial<ImageRecord> = {}): ImageRecord {
  const sha256 = (digests: { readonly sha256?: string }) => ({ sha256: digests.sha256 ?? '' })
  return makeRecord(seed, {
    predictions: [
      {
        ...makePrediction('loaders', seed),
        pcrs: Object.fromEntries(Object.entries(prediction.pcrs).map(([pcr, values]) => [pcr, sha256(values)])),
        events: prediction.events.map(event => ({ ...event, digests: sha256(event.digests) })),
      },
    ],
    ...changes,
  })
}

function recordsIn(name: string, records: readonly ImageRecord[]): { kind: 'records'; directory: string } {
  const place = join(directory, name)
  mkdirSync(join(place, 'os-images'), { recursive: true })
  writeFileSync(join(place, 'os-images', 'README.md'), 'not a record')
  for (const record of records) {
    const digest = record.image.replace(/.*sha256:/, '').slice(0, 32)
    writeFileSync(join(place, 'os-images', `osimg-${digest}.yaml`), formatRecord(record))
  }
  return { kind: 'records', directory: place }
}

const recorded = candidateOf(on, { pcrs: [4, 14] })
const otherGrub = candidateOf(replaced(on, grubAt, imageToLog(null, 'another grub')), { pcrs: [4, 14] })
const otherKernel = candidateOf(replaced(replaced(on, grubAt + 20, imageToLog(null, 'another kernel')), grubAt + 21), {
  pcrs: [4, 14],
})

describe('explain with records', () => {
  it('exit code 0 and every PCR equal when the node booted a recorded image', async () => {
    const source = recordsIn('same', [recordOf('a', recorded), recordOf('b', otherGrub)])
    const { document, text, differs } = await explainLog(request(source))
    expect(document).toEqual({
      schemaVersion: 1,
      platform: null,
      image: imageOf('a'),
      pcrs: [
        { pcr: 4, bank: 'sha256', equal: true },
        { pcr: 14, bank: 'sha256', equal: true },
      ],
    })
    expect(differs).toBe(false)
    expect(text.split('\n')[0]).toContain('This node booted')
  })

  it('the boot loader of the image before, oldest record first', async () => {
    const created = '2026-11-22T02:00:00Z'
    const source = recordsIn('mixed', [recordOf('new', otherGrub, { created }), recordOf('old', otherKernel)])
    const { document, text, differs } = await explainLog(request(source))
    expect(document.image).toBe(imageOf('new'))
    expect(document.pcrs[0]?.firstDifference).toMatchObject({
      index: grubAt,
      expected: { part: 'Pcr4Grub' },
      seen: { text: '\\EFI\\BOOT\\grubx64.efi' },
      reason: { code: 'BOOT_LOADER_OF_OTHER_IMAGE' },
    })
    expect(differs).toBe(true)
    expect(document.pcrs[0]?.firstDifference?.reason.text).toBe(
      `this node still boots the GRUB of ${imageOf('old')} (usr/lib/x/grubx64.efi): boot loader not updated yet`,
    )
    const short = imageOf('old').slice(0, -52)
    expect(text.replaceAll(/\s+/g, ' ')).toMatch(
      /^PCR 4: this node still boots the GRUB of \S+… \(usr\/lib\/x\/grubx64\.efi\)/,
    )
    expect(text.replaceAll(/\s+/g, ' ')).toContain(`${short}…`)
  })

  it('a retired image is recognised, and its values do not count', async () => {
    const retired = { at: '2026-11-22T02:00:00Z', branch: 'x', evidenceSha256: hexOf('evidence') }
    const source = recordsIn('retired', [recordOf('old', recorded, { retired }), recordOf('new', otherKernel)])
    const { document } = await explainLog(request(source))
    expect(document.image).toBe(imageOf('new'))
    expect(document.pcrs[0]?.firstDifference?.reason).toEqual({
      code: 'KERNEL_OF_OTHER_IMAGE',
      text: `this node boots the kernel of ${imageOf('old')} (retired 2026-11-22T02:00:00Z) (usr/lib/modules/v/vmlinuz)`,
    })
  })

  it('predictions for another Secure Boot state or platform are left out', async () => {
    const source = recordsIn('conditions', [recordOf('a', recorded)])
    expect((await explainLog(request(source, { secureBoot: true }))).differs).toBe(false)
    await expectToolError('INPUT_INVALID', explainLog(request(source, { secureBoot: false })))
  })

  it('FILE_NOT_FOUND without os-images, INPUT_INVALID without records, RECORD_INVALID for a broken one', async () => {
    await expectToolError(
      'FILE_NOT_FOUND',
      explainLog(request({ kind: 'records', directory: join(directory, 'none') })),
    )
    await expectToolError('INPUT_INVALID', explainLog(request(recordsIn('empty', []))))
    const broken = recordsIn('broken', [recordOf('a', recorded)])
    writeFileSync(join(broken.directory, 'os-images', `osimg-${'0'.repeat(32)}.yaml`), 'schemaVersion: 1\n')
    await expectToolError('RECORD_INVALID', explainLog(request(broken)))
  })
})

describe('explain with values of the TPM', () => {
  const source = () => recordsIn('pcrs', [recordOf('a', recorded)])

  it('equal with those that were read', async () => {
    const pcrs = join(boots, 'grub-sb', 'pcrs.json')
    expect((await explainLog(request(source(), { pcrs }))).differs).toBe(false)
  })

  it('LOG_DOES_NOT_REPLAY with those of another boot', async () => {
    const pcrs = join(boots, 'grub-nosb', 'pcrs.json')
    const { document } = await explainLog(request(source(), { pcrs }))
    expect(document.pcrs.map(({ pcr, firstDifference }) => [pcr, firstDifference?.reason.code])).toEqual([
      [4, 'LOG_DOES_NOT_REPLAY'],
      [14, undefined],
      ...[0, 7].map(pcr => [pcr, 'LOG_DOES_NOT_REPLAY']),
    ])
  })

  it('exit code 3 when only a PCR that is not predicted contradicts the log', async () => {
    const own = JSON.parse(readFileSync(join(boots, 'grub-sb', 'pcrs.json'), 'utf8'))
    const pcrs = join(directory, 'other-firmware.json')
    writeFileSync(pcrs, JSON.stringify({ sha256: { ...own.sha256, 0: 'ab'.repeat(32) } }))
    const { document, text, differs } = await explainLog(request(source(), { pcrs }))
    expect(document.pcrs.filter(({ equal }) => !equal).map(({ pcr }) => pcr)).toEqual([0])
    expect(differs).toBe(true)
    expect(text).toMatch(/^PCR 0: the TPM holds another value/)
    expect(text).toContain('PCR  0 sha256: differs in its value only')
  })

  it('INPUT_INVALID without a value that could be compared', async () => {
    const pcrs = join(directory, 'none.json')
    writeFileSync(pcrs, '{}')
    await expectToolError('INPUT_INVALID', explainLog(request(source(), { pcrs })))
  })
})

describe('explain with boot files', () => {
  it('names what the node booted instead', async () => {
    const file = (role: 'shim' | 'grub' | 'kernel', bytes: Uint8Array) => {
      const path = join(directory, role)
      writeFileSync(path, bytes)
      return { role, path }
    }
    const files = [
      file('shim', makeShim({ seed: 1 })),
      file('grub', makeGrub({ seed: 1 })),
      file('kernel', makeKernel({ seed: 1, release: '6.1.0-1' })),
    ]
    const { document, text, differs } = await explainLog(request({ kind: 'boot-files', files }))
    expect(document.image).toBeNull()
    expect(document.pcrs.map(({ pcr, firstDifference }) => [pcr, firstDifference?.reason])).toEqual([
      [4, { code: 'SHIM_OF_NO_KNOWN_IMAGE', text: expect.stringContaining('\\EFI\\BOOT\\BOOTX64.EFI') }],
      [14, { code: 'MOK_LIST_OTHER', text: expect.any(String) }],
    ])
    expect(differs).toBe(true)
    expect(Math.max(...text.split('\n').map(line => line.length))).toBeLessThanOrEqual(80)
  })

  it('EVENT_LOG_INVALID for an empty log', async () => {
    const empty = join(directory, 'empty.bin')
    writeFileSync(empty, '')
    await expectToolError('EVENT_LOG_INVALID', explainLog(request({ kind: 'boot-files', files: [] }, { log: empty })))
  })
})

describe('the command line', () => {
  async function cli(...words: readonly string[]) {
    const out = { stdout: '', stderr: '' }
    const exitCode = await runCommandLine({
      words: ['explain', ...words],
      environment: {},
      directory,
      version: '1.2.3',
      stdout: text => {
        out.stdout += text
      },
      stderr: text => {
        out.stderr += text
      },
    })
    return { exitCode, ...out }
  }

  it('exit code 0, 3 for a difference, 1 for a log that cannot be used, 2 for wrong usage', async () => {
    const { directory: lock } = recordsIn('cli', [recordOf('a', recorded)])
    const same = await cli('--log', log, '--lock', lock)
    expect(same).toMatchObject({ exitCode: 0, stderr: '' })
    expect(same.stdout).toMatch(/^This node booted .*\n/)
    expect(same.stdout).not.toMatch(/\n\n$/)
    const other = await cli('--json', '--log', join(boots, 'grub-nosb', 'eventlog.bin'), '--lock', lock)
    expect(other.exitCode).toBe(3)
    expect(JSON.parse(other.stdout)).toMatchObject({
      schemaVersion: 1,
      pcrs: [{ pcr: 4, firstDifference: { index: null, seen: null, reason: { code: 'SECURE_BOOT_OFF_HERE' } } }, {}],
    })
    const empty = join(directory, 'spec-id-only.bin')
    writeFileSync(empty, makeEventLog(['sha256'], []))
    const unusable = await cli('--log', empty, '--lock', lock)
    expect(unusable.exitCode).toBe(1)
    expect(unusable.stderr).toContain('EVENT_LOG_INVALID')
    expect((await cli('--log', log)).exitCode).toBe(2)
  })
})
