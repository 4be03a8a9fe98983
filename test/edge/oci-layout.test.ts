// OCI layout directories: which image is chosen, and layouts that lie.

import { mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, file, makeLayer } from '../build/layer.ts'
import { makeImage, makeIndex, writeLayout } from '../build/oci-layout.ts'
import { startRegistry } from '../build/registry.ts'

const image = makeImage({ layers: [makeLayer([file('a', 'a')]), makeLayer([])] })
const other = makeImage({ layers: [makeLayer([file('b', 'b')])], architecture: 'arm64' })
const amd64 = { architecture: 'amd64' }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'oci-layout-'))
})
afterEach(() => rm(directory, { recursive: true }))

const blob = (digest: string) => join(directory, 'blobs/sha256', digest.slice('sha256:'.length))

it('reads the one image of a layout', async () => {
  await writeLayout(image, directory)
  const opened = await openLayout(directory, amd64)
  expect(opened.digest).toBe(image.digest)
  expect(opened.source).toBe(`oci:${directory}`)
  for (const [index, layer] of opened.manifest.layers.entries()) {
    const chunks: Uint8Array[] = []
    for await (const chunk of opened.openLayer(layer)) chunks.push(chunk)
    expect(concat(chunks)).toEqual(new Uint8Array(image.layers[index]?.bytes ?? []))
  }
})

it('reads a Docker manifest without mediaType, and an index', async () => {
  const docker = makeImage({ layers: image.layers, schema: 'docker' })
  await writeLayout(docker, directory, 'docker')
  expect((await openLayout(directory, { ...amd64, name: 'docker' })).digest).toBe(docker.digest)
  const bare = makeImage({ layers: image.layers, withoutMediaType: true })
  await writeLayout(
    makeIndex([
      { image: other, architecture: 'arm64' },
      { image: bare, architecture: 'amd64' },
    ]),
    directory,
  )
  const opened = await openLayout(directory, amd64)
  expect(opened.digest).toBe(bare.digest)
  expect(opened.manifest.mediaType).toBe('application/vnd.oci.image.manifest.v1+json')
})

it('wants one image, or a name', async () => {
  await writeLayout(image, directory, 'one')
  const index = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8'))
  const second = join(directory, 'second')
  await writeLayout(other, second, 'two')
  index.manifests.push(...JSON.parse(await readFile(join(second, 'index.json'), 'utf8')).manifests)
  await writeFile(join(directory, 'index.json'), JSON.stringify(index))
  const error = await expectToolError('IMAGE_NOT_FOUND', openLayout(directory, amd64))
  expect(error.found).toBe('2 images: one, two')
  expect((await openLayout(directory, { ...amd64, name: 'one' })).digest).toBe(image.digest)
  await expectToolError('IMAGE_NOT_FOUND', openLayout(directory, { ...amd64, name: 'three' }))
})

it('finds changed, cut, missing and linked files', async () => {
  await writeLayout(image, directory)
  const config = await readFile(blob(image.configDigest))
  await writeFile(
    blob(image.configDigest),
    config.map(byte => byte ^ 1),
  )
  await expectToolError('DIGEST_MISMATCH', openLayout(directory, amd64))
  await writeFile(blob(image.configDigest), config)
  await truncate(blob(image.digest), 10)
  await expectToolError('DIGEST_MISMATCH', openLayout(directory, amd64))
  await rm(blob(image.digest))
  await expectToolError('IMAGE_NOT_FOUND', openLayout(directory, amd64))
  await symlink('/etc/passwd', blob(image.digest))
  await expectToolError('IMAGE_INVALID', openLayout(directory, amd64))
})

it.each([
  ['oci-layout', '{"imageLayoutVersion":"2.0.0"}'],
  ['oci-layout', '[]'],
  ['index.json', '{}'],
  ['index.json', '{"schemaVersion":2,"config":{},"layers":[]}'],
  ['index.json', '{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:../../etc","size":1}]}'],
])('refuses %s with %s', async (name, text) => {
  await writeLayout(image, directory)
  await writeFile(join(directory, name), text)
  await expectToolError('IMAGE_INVALID', openLayout(directory, amd64))
})

it('is no layout', async () => {
  await expectToolError('IMAGE_NOT_FOUND', openLayout(directory, amd64))
  const { hint } = await expectToolError('IMAGE_NOT_FOUND', openLayout(join(directory, 'no'), amd64))
  expect(hint).toContain('OCI layout')
})

it('names index.json when that is what is broken', async () => {
  await writeLayout(image, directory)
  await writeFile(join(directory, 'index.json'), '{"manifests": [')
  const { message, where } = await expectToolError('IMAGE_INVALID', openLayout(directory, amd64))
  expect(message).toBe('index.json is not JSON')
  expect(where.path).toBe('index.json')
})

it('damaged layers do not reach a registry', async () => {
  await writeLayout(image, directory)
  const [layer] = image.layers
  const path = blob(layer?.digest ?? '')
  await writeFile(
    path,
    (await readFile(path)).map((byte, index) => (index === 12 ? byte ^ 1 : byte)),
  )
  const registry = await startRegistry()
  try {
    const opened = await openLayout(directory, amd64)
    const client = openRegistry({ allowInsecure: true, credentials: noCredentials, pauseMs: 1 })
    const target = { registry: registry.host, repository: 'a/b' }
    await expectToolError('DIGEST_MISMATCH', client.pushImage(opened, target, { tag: 'x' }))
    expect(registry.contents().flatMap(row => row.manifests)).toEqual([])
  } finally {
    await registry.close()
  }
})
