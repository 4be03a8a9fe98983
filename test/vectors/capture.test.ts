// `capture` on the variables and logs of recorded boots: the profile says what the variables say, the log is not needed.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { captureNode } from '../../src/commands/capture.ts'
import { readPlatform } from '../../src/commands/read-platform.ts'
import { expectToolError } from '../build/expect-error.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('capture of nine recorded boots')
const boots = shared.names('boots')
const output = mkdtempSync(join(tmpdir(), 'capture-'))
afterAll(() => rmSync(output, { recursive: true }))

function capture(boot: string, directory: string, withMok: boolean) {
  const path = (name: string) => shared.path('boots', boot, name)
  return captureNode({
    log: path('eventlog.bin'),
    efivars: path('efivars'),
    mokVariables: withMok ? path('mok-variables') : undefined,
    output: join(output, directory),
  })
}

describe.skipIf(shared.missing)('capture of recorded boots', () => {
  it.each(boots)('%s', async boot => {
    const hasShim = shared.names('boots', boot).includes('mok-variables')
    const secureBoot = !boot.endsWith('nosb')
    const usesGrub = boot.startsWith('grub-')
    const document = await capture(boot, boot, hasShim)
    expect(document.learned).toEqual({
      name: boot,
      secureBoot,
      ...(hasShim ? { sbatLevel: expect.stringMatching(/^sbat,1,/) } : {}),
      banks: ['sha1', 'sha256', 'sha384', 'sha512'],
      // GRUB 2.06 of Debian
      ...(usesGrub && secureBoot ? { grubMeasuresKernel: 2 } : {}),
    })
    // everything is there, and the log replays to the values beside it
    expect(document.notLearned).toEqual([
      ...(hasShim ? [] : ['there is no trace of shim: its variables are not in the profile']),
      ...(usesGrub && !secureBoot ? [expect.stringContaining('nothing was verified in this boot')] : []),
    ])
    expect(readdirSync(join(output, boot)).sort()).toEqual([...document.files].sort())

    const captured = await readPlatform([join(output, boot)])
    const recorded = await readPlatform([shared.path('boots', boot, 'efivars')])
    for (const part of ['name', 'secureBoot', 'keys', 'mok', 'sbatLevel', 'notes'] as const)
      expect(captured[part], part).toEqual(recorded[part])
    expect(captured.profileSha256).toBe(document.profileSha256)
    expect(captured.eventLog).toEqual(shared.bytes('boots', boot, 'eventlog.bin'))
  })

  it('needs no mok-variables where efivarfs has all', async () => {
    const [alone, both] = [
      await capture('grub-sb-mok', 'alone/node', false),
      await capture('grub-sb-mok', 'both/node', true),
    ]
    expect({ ...alone, output: '' }).toEqual({ ...both, output: '' })
  })

  it('does not write over anything', async () => {
    await capture('uki-sb', 'once', false)
    await expectToolError('OUTPUT_NOT_WRITABLE', capture('grub-sb', 'once', true))
    expect((await readPlatform([join(output, 'once')])).mok.list).toBeUndefined()
  })
})
