// Our registry client against Debian's docker-registry (the distribution project): push, pull, passwords; skopeo reads what we pushed.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials, readRegistryCredentials } from '../../src/edge/registry-credentials.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { DockerRegistry } from '../build/docker-registry.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'

const run = promisify(execFile)
const base = makeImage({
  layers: [
    makeLayer([
      file(
        'base',
        new Uint8Array(3_000_000).map((_, i) => (i * i) >> 3),
      ),
    ]),
  ],
})
const image = makeImage({ layers: [...base.layers, makeLayer([file('top', 'top')])], labels: { a: 'b' } })

let registry: DockerRegistry

describe.each([
  ['open to all', false],
  ['with a password', true],
])('docker-registry, %s', (_name, withPassword) => {
  beforeAll(async () => {
    registry = await DockerRegistry.start(withPassword ? { user: 'tester', password: 'secret' } : undefined)
  })
  afterAll(() => registry.stop())

  const client = async (password = 'secret') =>
    openRegistry({
      allowInsecure: true,
      pauseMs: 1,
      credentials: withPassword
        ? await readRegistryCredentials({
            environment: {},
            pullSecret: JSON.stringify({ auths: { [registry.host]: { auth: btoa(`tester:${password}`) } } }),
          })
        : noCredentials,
    })
  const reference = (rest: string) => parseImageReference(`${registry.host}/${rest}`)

  it('takes a base and an image on it, mounted where it can be', async () => {
    for (const [made, repository] of [
      [base, 'team/base'],
      [image, 'team/image'],
    ] as const) {
      const directory = join(registry.directory, repository.replace('/', '-'))
      await writeLayout(made, directory)
      const layout = await openLayout(directory, { architecture: 'amd64' })
      const target = { registry: registry.host, repository }
      const options = { tag: 'v1', mountFrom: 'team/base' }
      const first = await (await client()).pushImage(layout, target, options)
      expect(first.digest).toBe(made.digest)
      expect(first.uploaded).toEqual([...made.blobs.keys()].filter(digest => made === base || !base.blobs.has(digest)))
      const second = await (await client()).pushImage(layout, target, options)
      expect(second).toEqual({ digest: made.digest, uploaded: [], unchanged: true })
    }
  })

  it('gives back the same bytes', async () => {
    const opened = await (await client()).openImage(reference('team/image:v1'), 'amd64')
    expect(opened.digest).toBe(image.digest)
    for (const [index, layer] of opened.manifest.layers.entries()) {
      const chunks: Uint8Array[] = []
      for await (const chunk of opened.openLayer(layer)) chunks.push(chunk)
      expect(concat(chunks)).toEqual(image.layers[index]?.bytes)
    }
  })

  it('skopeo finds the digest that we report', async () => {
    const { stdout } = await run('skopeo', [
      'inspect',
      '--tls-verify=false',
      ...(withPassword ? ['--creds', 'tester:secret'] : []),
      `docker://${registry.host}/team/image@${image.digest}`,
    ])
    expect(JSON.parse(stdout)).toMatchObject({ Digest: image.digest, Labels: { a: 'b' } })
  })

  it('does not know other names', async () => {
    await expectToolError('IMAGE_NOT_FOUND', (await client()).resolveDigest(reference('team/image:v2')))
    await expectToolError('IMAGE_NOT_FOUND', (await client()).resolveDigest(reference('team/none:v1')))
  })

  if (withPassword)
    it('refuses a wrong password', async () => {
      await expectToolError('REGISTRY_DENIED', (await client('guess')).resolveDigest(reference('team/image:v1')))
      const layout = await openLayout(join(registry.directory, 'team-image'), { architecture: 'amd64' })
      const target = { registry: registry.host, repository: 'team/new' }
      await expectToolError('PUSH_REFUSED', (await client('guess')).pushImage(layout, target, { tag: 'v1' }))
    })
})
