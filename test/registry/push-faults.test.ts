// Pushes to Debian's docker-registry (the distribution project) when something breaks, and what its garbage collection leaves.

import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { seededBytes } from '../build/boot-files.ts'
import { DockerRegistry } from '../build/docker-registry.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'

const MiB = 1024 * 1024
const lower = makeLayer([file('lower', 'lower')])
const made = [1, 2].map(number =>
  makeImage({ layers: [lower, makeLayer([file('large', seededBytes(`faults/${number}`, 4 * MiB))])] }),
)

let registry: DockerRegistry
let directory: string
beforeEach(async () => {
  registry = await DockerRegistry.start()
  directory = await mkdtemp(join(tmpdir(), 'push-faults-'))
})
afterEach(async () => {
  await registry.stop()
  await rm(directory, { recursive: true })
})

async function image(number: 0 | 1): Promise<ImageSource> {
  const layout = await mkdtemp(join(directory, 'layout-'))
  const one = made[number]
  if (one === undefined) throw new Error('no image')
  await writeLayout(one, layout)
  return await openLayout(layout, { architecture: 'amd64' })
}

const client = () => openRegistry({ allowInsecure: true, credentials: noCredentials, pauseMs: 1 })
const push = (host: string, source: ImageSource, tag?: string) =>
  client().pushImage(source, { registry: host, repository: 'team/image' }, tag === undefined ? {} : { tag })

async function readWhole(host: string, tag: string): Promise<string> {
  const reference = { registry: host, repository: 'team/image', tag, digest: undefined }
  const opened = await client().openImage(reference, 'amd64')
  for (const layer of opened.manifest.layers) for await (const _ of opened.openLayer(layer));
  return opened.digest
}

/** Passes everything on; the first connections that send more than a limit are cut there. */
async function cutting(host: string, limits: readonly number[]) {
  const open = new Set<Socket>()
  const left = [...limits]
  const server = createServer(socket => {
    const onward = connect(Number(host.split(':')[1]), '127.0.0.1')
    let sent = 0
    socket.on('data', chunk => {
      sent += chunk.length
      const [limit] = left
      if (limit === undefined || sent <= limit) return void onward.write(chunk)
      left.shift()
      onward.end(chunk.subarray(0, Math.max(0, chunk.length - (sent - limit))))
      socket.destroy()
    })
    onward.on('data', chunk => socket.write(chunk))
    for (const one of [socket, onward]) {
      open.add(one)
      one.on('error', () => undefined).on('close', () => socket.destroy())
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    left,
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

describe('docker-registry', () => {
  it.each([[[3 * MiB]], [[2 * MiB, 100_000, 3 * MiB]]])(
    'has the whole image after connections were cut at %j bytes',
    async limits => {
      const line = await cutting(registry.host, limits)
      const source = await image(0)
      const result = await push(line.host, source, 'v1')
      await line.close()
      expect(line.left).toEqual([])
      expect(result).toMatchObject({ digest: source.digest, unchanged: false })
      expect(await readWhole(registry.host, 'v1')).toBe(source.digest)
    },
  )

  it('that takes no writes refuses, and the same push later succeeds; pushed again, nothing is written', async () => {
    const closed = await registry.again({ maintenance: { readonly: { enabled: true } } })
    const source = await image(0)
    const error = await expectToolError('PUSH_REFUSED', push(closed.host, source, 'v1'))
    expect(error.found).toContain('status 405')
    expect((await registry.state()).catalogue).toEqual({})
    expect((await push(registry.host, source, 'v1')).unchanged).toBe(false)
    // a registry that takes no writes does not mind a push without any
    expect(await push(closed.host, source, 'v1')).toEqual({ digest: source.digest, uploaded: [], unchanged: true })
    await closed.stop()
  })

  it('keeps an image with our tag when its garbage is collected, and one without a tag not', async () => {
    const [tagged, untagged] = [await image(0), await image(1)]
    await push(registry.host, tagged, 'v1')
    await push(registry.host, untagged)
    const told = await registry.collectGarbage()
    expect(told).toContain(`manifest eligible for deletion: ${untagged.digest}`)
    const after = await registry.again()
    expect(await readWhole(after.host, 'v1')).toBe(tagged.digest)
    const gone = { registry: after.host, repository: 'team/image', tag: undefined, digest: untagged.digest }
    await expectToolError('IMAGE_NOT_FOUND', client().openImage(gone, 'amd64'))
    await after.stop()
  })
})
