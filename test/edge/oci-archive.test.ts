// OCI archives made by tar itself: the same image as in the directory; damaged archives are refused.

import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { openArchive, openLayout } from '../../src/edge/oci-layout.ts'
import { ToolError } from '../../src/errors.ts'
import { baseEntries } from '../build/coreos.ts'
import { cuts } from '../build/damage.ts'
import { expectToolError } from '../build/expect-error.ts'
import { makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'

const amd64 = { architecture: 'amd64' } as const
const image = makeImage({ layers: [makeLayer(baseEntries('6.1.0-55.x86_64'))] })
let directory: string
const path = (name: string) => join(directory, name)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'archive-'))
  await writeLayout(image, path('layout'), 'named')
  for (const format of ['ustar', 'gnu', 'pax'])
    execFileSync('tar', [`--format=${format}`, '-C', path('layout'), '-cf', path(`${format}.tar`), '.'])
})
afterAll(() => rm(directory, { recursive: true }))

describe('an OCI archive', () => {
  it.each(['ustar', 'gnu', 'pax'])('of format %s holds the image that the directory holds', async format => {
    const opened = await openArchive(path(`${format}.tar`), amd64)
    expect([opened.source, opened.digest]).toEqual([`oci-archive:${path(`${format}.tar`)}`, image.digest])
    const [archive, layout] = [await inspectImage(opened), await inspectImage(await openLayout(path('layout'), amd64))]
    expect(archive.problems).toEqual([])
    expect(archive.bootFiles).toEqual(layout.bootFiles)
    expect((await openArchive(path(`${format}.tar`), { ...amd64, name: 'named' })).digest).toBe(image.digest)
    await expectToolError('IMAGE_NOT_FOUND', openArchive(path(`${format}.tar`), { ...amd64, name: 'other' }))
  })

  it('that is none, or is not there, is refused', async () => {
    await expectToolError('IMAGE_NOT_FOUND', openArchive(path('none.tar'), amd64))
    await expectToolError('IMAGE_INVALID', openArchive(path('layout'), amd64))
    await writeFile(path('text'), 'no archive'.repeat(100))
    await expectToolError('IMAGE_INVALID', openArchive(path('text'), amd64))
    execFileSync('tar', ['-C', path('layout'), '-cf', path('part.tar'), 'oci-layout'])
    const error = await expectToolError('IMAGE_NOT_FOUND', openArchive(path('part.tar'), amd64))
    expect(error.where?.path).toBe('index.json')
  })

  it('cut at any length, or with a byte of its headers changed, is refused or holds the same image', async () => {
    const whole = new Uint8Array(await readFile(path('ustar.tar')))
    const seen = new Set<string>()
    const look = async (bytes: Uint8Array) => {
      await writeFile(path('damaged.tar'), bytes)
      try {
        const { bootFiles } = await inspectImage(await openArchive(path('damaged.tar'), amd64))
        expect(bootFiles).toHaveLength(7)
        seen.add('read')
      } catch (error) {
        if (!(error instanceof ToolError)) throw error
        seen.add(error.code)
      }
    }
    for (const bytes of cuts(whole, 60)) await look(bytes)
    for (let offset = 0; offset < 1536; offset += 13) {
      const bytes = new Uint8Array(whole)
      bytes[offset] = (bytes[offset] ?? 0) ^ 0xff
      await look(bytes)
    }
    const expected = ['read', 'IMAGE_INVALID', 'IMAGE_NOT_FOUND', 'DIGEST_MISMATCH']
    expect([...seen].filter(code => !expected.includes(code))).toEqual([])
    expect(seen.has('IMAGE_INVALID')).toBe(true)
  })
})
