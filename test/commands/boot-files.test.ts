// The boot-files command: its document, and files written only where they were asked for.

import { createHash } from 'node:crypto'
import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { bootFilesTable, listBootFiles } from '../../src/commands/boot-files.ts'
import { bootFilesOf } from '../../src/commands/image-boot-files.ts'
import { extractFiles } from '../../src/edge/extract-files.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { ToolErrors } from '../../src/errors.ts'
import { baseEntries } from '../build/coreos.ts'
import { expectToolError } from '../build/expect-error.ts'
import { makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'

const release = '6.1.0-55.x86_64'
const entries = baseEntries(release)
const image = makeImage({ layers: [makeLayer(entries)] })
const open = async (layout: string, name?: string) =>
  bootFilesOf(
    await openLayout(join(directory, layout), { architecture: 'amd64', ...(name === undefined ? {} : { name }) }),
  )

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boot-files-'))
  await writeLayout(image, join(directory, 'layout'), 'named')
})
afterEach(() => rm(directory, { recursive: true }))

it('describes and extracts the boot files', async () => {
  const extract = join(directory, 'out/here')
  const source = `oci:${join(directory, 'layout')}:named`
  const document = await listBootFiles(await open('layout', 'named'), extract)
  expect(document.schemaVersion).toBe(1)
  expect(document.image).toEqual({
    source,
    digest: image.digest,
    proof: 'all-layers',
    os: { id: 'test', versionId: '42.1' },
    kernelRelease: release,
  })
  const kernel = entries.find(entry => entry.path.endsWith('/vmlinuz'))?.content ?? new Uint8Array()
  expect(document.bootFiles.find(one => one.role === 'kernel')).toEqual({
    role: 'kernel',
    path: `usr/lib/modules/${release}/vmlinuz`,
    layer: image.layers[0]?.digest,
    size: kernel.length,
    sha256: createHash('sha256').update(kernel).digest('hex'),
  })
  const roles = document.bootFiles.map(one => one.role)
  expect((await readdir(extract)).sort()).toEqual([...roles].sort())
  expect(new Uint8Array(await readFile(join(extract, 'kernel')))).toEqual(kernel)
})

it('a name of the image cannot bring lines or control characters into the text for people', async () => {
  const { image: facts, bootFiles, ...rest } = await listBootFiles(await open('layout', 'named'), undefined)
  const odd = 'a\u001b[2J\nkernel  other\u202e\r\u009b1m'
  const text = bootFilesTable({
    ...rest,
    image: { ...facts, kernelRelease: odd },
    bootFiles: bootFiles.map(one => ({ ...one, path: odd })),
  })
  expect(text).not.toMatch(/[^\P{C}\n]/u)
  expect(text.split('\n')).toHaveLength(3 + 4 * bootFiles.length)
})

it('throws all refusals together, and extracts nothing', async () => {
  await writeLayout(makeImage({ layers: [makeLayer([])] }), join(directory, 'empty'))
  const extract = join(directory, 'out')
  const error = await listBootFiles(await open('empty'), extract).catch(one => one)
  expect(error).toBeInstanceOf(ToolErrors)
  expect(await readdir(directory)).not.toContain('out')
})

it('never writes through links or outside of the directory', async () => {
  const victim = join(directory, 'victim')
  await writeFile(victim, 'mine')
  const out = join(directory, 'out')
  await mkdir(out)
  await symlink(victim, join(out, 'kernel'))
  await expectToolError('OUTPUT_NOT_WRITABLE', extractFiles(out, [{ name: 'kernel', bytes: new Uint8Array(3) }]))
  await link(victim, join(out, 'shim'))
  await extractFiles(out, [{ name: 'shim', bytes: new Uint8Array(3) }])
  for (const name of ['../x', '..', 'a/b', '', '.'])
    await expectToolError('OUTPUT_NOT_WRITABLE', extractFiles(out, [{ name, bytes: new Uint8Array() }]))
  await symlink(directory, join(directory, 'linked'))
  await expectToolError('OUTPUT_NOT_WRITABLE', extractFiles(join(directory, 'linked'), []))
  await expectToolError('OUTPUT_NOT_WRITABLE', extractFiles(join(victim, 'below'), []))
  expect(await readFile(victim, 'utf8')).toBe('mine')
  expect(new Uint8Array(await readFile(join(out, 'shim')))).toEqual(new Uint8Array(3))
})
