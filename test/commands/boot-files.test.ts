// The boot-files command: its document, and files written only where they were asked for.

import { createHash } from 'node:crypto'
import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { bootFilesCommand } from '../../src/commands/boot-files.ts'
import { extractFiles } from '../../src/edge/extract-files.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import { ToolErrors } from '../../src/errors.ts'
import { baseEntries } from '../build/coreos.ts'
import { expectToolError } from '../build/expect-error.ts'
import { makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'

const release = '6.1.0-55.x86_64'
const entries = baseEntries(release)
const image = makeImage({ layers: [makeLayer(entries)] })
const registry = openRegistry({ allowInsecure: true, credentials: noCredentials })
const common = { registry, architecture: 'amd64' }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boot-files-'))
  await writeLayout(image, join(directory, 'layout'), 'named')
})
afterEach(() => rm(directory, { recursive: true }))

it('describes and extracts the boot files', async () => {
  const extract = join(directory, 'out/here')
  const source = `oci:${join(directory, 'layout')}:named`
  const document = await bootFilesCommand({ ...common, image: source, extract })
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

it('throws all refusals together, and extracts nothing', async () => {
  await writeLayout(makeImage({ layers: [makeLayer([])] }), join(directory, 'empty'))
  const extract = join(directory, 'out')
  const error = await bootFilesCommand({ ...common, image: `oci:${join(directory, 'empty')}`, extract }).catch(
    one => one,
  )
  expect(error).toBeInstanceOf(ToolErrors)
  expect(await readdir(directory)).not.toContain('out')
})

it('names the sources that it cannot read', async () => {
  for (const source of ['oci-archive:x.tar', 'dir:/', 'containers-storage:x'])
    await expectToolError('SETTING_NOT_SUPPORTED', bootFilesCommand({ ...common, image: source }))
  await expectToolError('REFERENCE_INVALID', bootFilesCommand({ ...common, image: 'oci::name' }))
  await expectToolError('REFERENCE_INVALID', bootFilesCommand({ ...common, image: 'Not An Image' }))
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
