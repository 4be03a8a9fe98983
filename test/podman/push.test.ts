// From a container build to a node's pull: only new bytes are sent, and what the registry then has can be unpacked.

import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findBuilders } from '../../src/edge/builder.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import { onBaseLayers } from '../../src/image/base-layers.ts'
import { makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { BuildBench, readLayout, unpackLayer } from './build.ts'

const absent = ['podman', 'skopeo'].filter(name => spawnSync(name, ['--version']).status !== 0)
if (absent.length > 0) process.stdout.write(`NOT CHECKED: push of a real build: ${absent.join(', ')} not installed\n`)

/** Not the synchronous one: the registry that these programs ask lives in this process. */
const ran = promisify(execFile)

let bench: BuildBench

beforeAll(async () => {
  bench = await BuildBench.open()
})

afterAll(() => bench.close())

it.skipIf(absent.length > 0)('a built image keeps the layers of its base, and others can pull it', async () => {
  const packages = makeKernelRpms({ seed: 'push', version: '5.14.0', release: '605.el9' })
  const made = await makeBaseImage({ seed: 'push', withRuntime: true })
  const reference = bench.publish(made)
  const builders = await findBuilders('auto', process.env)
  const [first] = builders
  if (first === undefined) throw new Error('no builder')
  const { result, layout } = await bench.run(first, reference, packages, bench.containerfile(reference, made, packages))

  const registry = openRegistry({ allowInsecure: true, credentials: noCredentials })
  const base = await registry.openImage({ ...reference, tag: undefined }, 'amd64')
  const image = onBaseLayers(await openLayout(layout, { architecture: 'amd64' }), base)
  const target = { registry: bench.registry.host, repository: 'team/layered' }
  const pushed = await registry.pushImage(image, target, { tag: 'new', mountFrom: 'coreos' })
  const own = [image.manifest.config.digest, image.manifest.layers.at(-1)?.digest]
  expect([...pushed.uploaded].sort()).toEqual([...own].sort())
  expect(image.manifest.layers.slice(0, -1).map(({ digest }) => digest)).toEqual(
    made.image.layers.map(({ digest }) => digest),
  )
  expect(pushed.digest).not.toBe(result.localImageId)

  const url = `docker://${bench.registry.host}/team/layered@${pushed.digest}`
  const copy = join(bench.directory, 'copy')
  await ran('skopeo', ['copy', '--src-tls-verify=false', url, `oci:${copy}:image`])
  const top = readLayout(copy).manifest.layers.at(-1)?.digest ?? ''
  const vmlinuz = 'lib/modules/5.14.0-605.el9.x86_64/vmlinuz'
  const wanted = packages.flatMap(({ input }) => input.files ?? []).find(({ path }) => path === `/${vmlinuz}`)
  const found = readFileSync(join(unpackLayer(copy, top, join(bench.directory, 'top')), 'usr', vmlinuz))
  expect(found.equals(Buffer.from(wanted?.content ?? ''))).toBe(true)

  // a pull unpacks every layer and compares it with its diff ID
  const store = ['--root', join(bench.directory, 'store'), '--runroot', join(bench.directory, 'run')]
  const pulled = await ran('podman', [...store, 'pull', '--quiet', '--tls-verify=false', url])
  expect(`sha256:${pulled.stdout.trim()}`).toBe(result.localImageId)
  await ran('podman', [...store, 'rmi', '--all', '--force'])
})
