// Mirrors that have the manifest and fail at a layer: each lets the image be read from the next place, layer by layer.

import { afterEach, describe, expect, it } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { parseRegistriesConf } from '../../src/formats/oci/registries-conf.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage } from '../build/oci-layout.ts'
import { grubFiles, grubTree } from '../build/predict-runs.ts'
import { type RegistryFault, startRegistry, type TestRegistry } from '../build/registry.ts'

const noise = new Uint8Array(3_000_000).map((_, i) => (i * i) >> 5)
const large = makeLayer([file('usr/lib/modules/noise', noise)], { compression: 'none' })
const boot = makeLayer(grubTree(grubFiles('mirrored')))
const top = makeLayer([file('usr/lib/top', 'top')])
const image = makeImage({ layers: [large, boot, top] })

const running: TestRegistry[] = []
afterEach(async () => {
  for (const one of running.splice(0)) await one.close()
})

const registryWith = async (...faults: readonly RegistryFault[]): Promise<TestRegistry> => {
  const registry = await startRegistry()
  running.push(registry)
  registry.add('team/os', image, 'v1')
  registry.faults.push(...faults)
  return registry
}

/** The image as `registry` names it, asked for at the mirrors first. */
async function open(registry: TestRegistry, ...mirrors: readonly TestRegistry[]) {
  const row = ({ host }: TestRegistry, table: string) => `[[${table}]]\nlocation = "${host}"\ninsecure = true\n`
  const conf = [row(registry, 'registry'), ...mirrors.map(one => row(one, 'registry.mirror'))].join('')
  const limits = { allowInsecure: false, credentials: noCredentials, pauseMs: 1, timeoutMs: 300, attempts: 2 }
  const client = openRegistry({ ...limits, registries: parseRegistriesConf(conf, 'registries.conf') })
  return await client.openImage(parseImageReference(`${registry.host}/team/os:v1`), 'amd64')
}

const blobs = (registry: TestRegistry) =>
  registry.requests.filter(({ path }) => path.includes('/blobs/')).map(({ path }) => path.split('/').pop())
const at = (layer: { readonly digest: string }, fault: Omit<RegistryFault, 'path' | 'times'>): RegistryFault => ({
  path: new RegExp(`blobs/${layer.digest}$`),
  times: 99,
  ...fault,
})

describe('a layer that a mirror', () => {
  it.each([
    ['lacks', { status: 404 }],
    ['refuses', { status: 403 }],
    ['fails at', { status: 500 }],
    ['cuts', { body: 'truncated' }],
    ['stalls in', { body: 'stalled' }],
    ['gives with a byte changed', { body: 'wrong' }],
    ['gives with a byte too many', { body: 'longer' }],
  ] as const)('%s comes from the registry itself', async (_, fault) => {
    const [registry, mirror] = [await registryWith(), await registryWith(at(large, fault))]
    const { found, problems, digest } = await inspectImage(await open(registry, mirror))
    expect([digest, problems, found.files.length]).toEqual([image.digest, [], 5])
    expect(blobs(registry)).toContain(large.digest)
    // the config is read when the image is opened
    expect(blobs(mirror)).toContain(large.digest)
    expect(registry.requests.filter(({ path }) => path.includes('/manifests/'))).toEqual([])
  })

  it('lacks is all that another place is asked for', async () => {
    const [registry, mirror] = [await registryWith(), await registryWith(at(boot, { status: 404 }))]
    await inspectImage(await open(registry, mirror))
    expect(blobs(registry)).toEqual([boot.digest])
  })

  it('cuts is continued elsewhere, where it was cut', async () => {
    const cut = at(large, { body: 'truncated', range: 'refused' })
    const [registry, mirror] = [await registryWith(), await registryWith(cut)]
    await inspectImage(await open(registry, mirror))
    const ranges = registry.requests.filter(({ path }) => path.endsWith(large.digest)).map(({ range }) => range)
    expect(ranges).toEqual([`bytes=${large.bytes.length / 2}-`])
  })

  it('lacks comes from the second mirror before it comes from the registry', async () => {
    const [registry, first, second] = [
      await registryWith(),
      await registryWith(at(boot, { status: 404 })),
      await registryWith(),
    ]
    await inspectImage(await open(registry, first, second))
    expect([blobs(second), blobs(registry)]).toEqual([[boot.digest], []])
  })

  it('gives wrong is the last that it is asked for', async () => {
    const [registry, mirror] = [await registryWith(), await registryWith(at(boot, { body: 'wrong' }))]
    const opened = await open(registry, mirror)
    await inspectImage(opened)
    const asked = blobs(mirror).length
    await inspectImage(opened)
    expect(blobs(mirror).length).toBe(asked)
  })
})

it('a mirror that is gone after the manifest is not waited for at each layer', async () => {
  const [registry, mirror] = [await registryWith(), await registryWith()]
  const opened = await open(registry, mirror)
  await mirror.close()
  running.splice(running.indexOf(mirror), 1)
  const { problems } = await inspectImage(opened)
  expect(problems).toEqual([])
  expect(blobs(registry).toSorted()).toEqual([large, boot, top].map(({ digest }) => digest).toSorted())
})

it.each([
  ['fails too', { status: 500 }, 'REGISTRY_ERROR'],
  ['gives wrong bytes too', { body: 'wrong' }, 'DIGEST_MISMATCH'],
] as const)('a registry that %s is refused', async (_, fault, code) => {
  const [registry, mirror] = [await registryWith(at(boot, fault)), await registryWith(at(boot, { status: 404 }))]
  const error = await expectToolError(code, inspectImage(await open(registry, mirror)))
  if (code === 'REGISTRY_ERROR')
    expect(error.hint).toMatch(`mirrors that were asked before: ${mirror.host}: IMAGE_NOT_FOUND`)
})
