// What the client for registries is made of: the settings at once, the files of the system when a registry is asked.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openImage, registryOf } from '../../src/commands/open-image.ts'
import { errorDocument, renderText } from '../../src/edge/annotations.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'open-image-'))
})
afterEach(() => rm(home, { recursive: true }))

it('an image on this machine does not fail because of files about registries', async () => {
  await mkdir(join(home, '.config/containers'), { recursive: true })
  await writeFile(join(home, '.config/containers/registries.conf'), '[registries.search]\nregistries = []\n')
  const image = makeImage({ layers: [makeLayer([file('a', 'a')])] })
  await writeLayout(image, join(home, 'layout'))
  const registry = await registryOf({ HOME: home }, { allowInsecure: false })
  const location = { kind: 'oci-layout', directory: join(home, 'layout'), tag: undefined } as const
  expect((await openImage(location, registry, 'amd64')).digest).toBe(image.digest)
  expect(registry.insecureHosts()).toEqual([])
  const error = await expectToolError('INPUT_INVALID', registry.resolveDigest(parseImageReference('quay.example/a:b')))
  expect(error.where).toEqual({ source: join(home, '.config/containers/registries.conf'), line: 1 })
})

it('files that settings name are read at once', async () => {
  const missing = join(home, 'none')
  const open = (settings: object, pullSecret?: string) =>
    registryOf({ HOME: home }, { allowInsecure: false, ...settings }, { pullSecret })
  await expectToolError('FILE_NOT_FOUND', open({ registriesConf: missing }))
  await expectToolError('FILE_NOT_FOUND', open({ caBundle: missing }))
  await expectToolError('FILE_NOT_FOUND', open({}, missing))
  await expectToolError('INPUT_INVALID', open({}, '{"auths": 1}'))
})

it('a pull secret that is no JSON is not printed as the path of a file that is not there', async () => {
  const secret = Buffer.from('{"auths":{"quay.io":{"auth":"cm9ib3Q6c2VjcmV0"}}}').toString('base64')
  for (const value of [secret, secret.repeat(200), `${secret}\0`]) {
    const opened = registryOf({ HOME: home }, { allowInsecure: false }, { pullSecret: value })
    const error = await expectToolError('FILE_NOT_FOUND', opened)
    expect(error.where).toEqual({ path: 'pull-secret' })
    expect(renderText(error) + JSON.stringify(errorDocument(error))).not.toContain(secret.slice(0, 8))
  }
})
