// Reading zstd:chunked layers by their tables of contents: the same answers from fewer bytes, and tables that lie.

import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCommandLine } from '../../src/commands/from-command-line.ts'
import { inspectImage } from '../../src/commands/read-image.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import type { Descriptor } from '../../src/formats/oci/descriptor.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { type ImageContents, tocNote } from '../../src/image/image-contents.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { seededBytes } from '../build/boot-files.ts'
import { baseEntries, layeredEntries } from '../build/coreos.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, hardLink, makeLayer, symlink } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { startRegistry } from '../build/registry.ts'
import { type ChunkedLayer, makeChunkedLayer } from '../build/zstd-chunked.ts'

const [old, now] = ['6.1.0-55.x86_64', '6.1.0-56.x86_64'] as const
const large = [file('usr/share/large', seededBytes('large', 30_000_000)), hardLink('usr/share/link', 'usr/share/large')]
const base = makeChunkedLayer([...large, ...baseEntries(old), symlink('etc/os-release', '../usr/lib/os-release')])
const top = makeChunkedLayer(layeredEntries(old, now))

let where: string
beforeEach(async () => {
  where = await mkdtemp(join(tmpdir(), 'read-toc-'))
})
afterEach(() => rm(where, { recursive: true }))

function madeOf(layers: readonly (ChunkedLayer | ReturnType<typeof makeLayer>)[]) {
  const made = makeImage({ layers })
  const manifest = JSON.parse(Buffer.from(made.manifest).toString('utf8'))
  for (const [index, layer] of layers.entries())
    if ('annotations' in layer) manifest.layers[index].annotations = layer.annotations
  const bytes = new TextEncoder().encode(JSON.stringify(manifest))
  return { ...made, manifest: bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const }
}

async function layoutOf(...layers: Parameters<typeof madeOf>[0]): Promise<ImageSource> {
  await writeLayout(madeOf(layers), where)
  return await openLayout(where, { architecture: 'amd64' })
}

/** Counts the bytes that were asked for. */
function counted(image: ImageSource) {
  const read = { whole: 0, parts: 0 }
  const openRange = (layer: Descriptor, offset: number, size: number) => {
    read.parts += size
    return image.openRange?.(layer, offset, size) ?? []
  }
  const openLayer = (layer: Descriptor) => {
    read.whole += layer.size
    return image.openLayer(layer)
  }
  return { read, image: { ...image, openLayer, openRange } as ImageSource }
}

const comparable = ({ proof: _, found, bootFiles: __, ...rest }: ImageContents) => ({
  ...rest,
  found: found.files.map(({ role, path, layer, bytes }) => [role, path, layer, Buffer.from(bytes)]),
})

const size = (image: ImageSource) => image.manifest.layers.reduce((sum, layer) => sum + layer.size, 0)

describe('zstd:chunked layers', () => {
  it('give the same by their tables, from less than 3 % of the bytes', async () => {
    const { image, read } = counted(await layoutOf(base, top))
    const all = await inspectImage(image)
    read.whole = 0
    const quick = await inspectImage(image, { proof: 'toc' })
    expect(comparable(quick)).toEqual(comparable(all))
    expect([all.proof, quick.proof, quick.kernelRelease]).toEqual(['all-layers', 'toc', now])
    expect(read.whole).toBe(0)
    expect(read.parts).toBeLessThan(size(image) * 0.03)
  })

  it('give the same from a registry, asked by ranges', async () => {
    const registry = await startRegistry()
    try {
      registry.add('team/image', madeOf([base, top]), 'v1')
      const client = openRegistry({ allowInsecure: true, credentials: noCredentials, pauseMs: 1 })
      const image = await client.openImage(parseImageReference(`${registry.host}/team/image:v1`), 'amd64')
      const quick = await inspectImage(image, { proof: 'toc' })
      expect(quick.proof).toBe('toc')
      const asked = registry.requests.filter(({ path }) => path.includes('/blobs/'))
      expect(asked.filter(({ range }) => range !== undefined).length).toBeGreaterThan(5)
      expect(comparable(quick)).toEqual(comparable(await inspectImage(image)))
    } finally {
      await registry.close()
    }
  })

  it('are read whole where nobody trusts tables, and where a layer has none', async () => {
    const { image, read } = counted(await layoutOf(base, makeLayer(layeredEntries(old, now))))
    const whole = await inspectImage(image, { proof: 'ostree' })
    expect([whole.proof, read.parts]).toEqual(['all-layers', 0])
    read.whole = 0
    const mixed = await inspectImage(image, { proof: 'toc' })
    expect([mixed.proof, mixed.kernelRelease, read.whole]).toEqual(['toc', now, image.manifest.layers[1]?.size])
    const { image: plain } = counted(await layoutOf(makeLayer(baseEntries(old))))
    expect((await inspectImage(plain, { proof: 'toc' })).proof).toBe('all-layers')
  })

  const path = `usr/lib/modules/${old}/vmlinuz`
  it.each<[string, string, (rows: readonly Readonly<Record<string, unknown>>[]) => readonly unknown[]]>([
    [
      'another digest',
      'DIGEST_MISMATCH',
      rows => rows.map(row => (row.name === path ? { ...row, digest: `sha256:${'0'.repeat(64)}` } : row)),
    ],
    [
      'another size',
      'DIGEST_MISMATCH',
      rows => rows.map(row => (row.name === path ? { ...row, size: Number(row.size) + 1 } : row)),
    ],
    [
      'a place behind the layer',
      'LAYER_INVALID',
      rows => rows.map(row => (row.name === path ? { ...row, endOffset: 1e12 } : row)),
    ],
    ['no place', 'LAYER_INVALID', rows => rows.map(({ offset: _, endOffset: __, ...row }) => row)],
    ['no digest', 'LAYER_INVALID', rows => rows.map(({ digest: _, ...row }) => row)],
    ['a size that is no number', 'LAYER_INVALID', rows => rows.map(row => ({ ...row, size: '1' }))],
    ['a type that nobody knows', 'LAYER_INVALID', rows => [...rows, { type: 'sparse', name: 'a' }]],
    ['a row without a name', 'LAYER_INVALID', rows => [...rows, { type: 'dir' }]],
    ['nothing', 'LAYER_INVALID', rows => [...rows, null]],
    ['a name twice', 'LAYER_INVALID', rows => [...rows, { type: 'symlink', name: path, linkName: 'a' }]],
    ['a path that leaves the layer', 'LAYER_INVALID', rows => [...rows, { type: 'dir', name: '../a' }]],
  ])('are refused with a table that has %s', async (_, code, edit) => {
    const image = await layoutOf(makeChunkedLayer(baseEntries(old), edit as never))
    await expectToolError(code as never, inspectImage(image, { proof: 'toc' }))
    // the layer itself is as it should be
    expect((await inspectImage(image)).kernelRelease).toBe(old)
  })

  it('are refused when the table or a file was changed', async () => {
    const image = await layoutOf(base)
    for (const at of [0, 1]) {
      let calls = 0
      const openRange = async function* (layer: Descriptor, offset: number, length: number) {
        const broken = calls === at
        calls += 1
        for await (const chunk of image.openRange?.(layer, offset, length) ?? [])
          yield broken ? chunk.map((byte, index) => (index === chunk.length >> 1 ? byte ^ 1 : byte)) : chunk
      }
      await expect(inspectImage({ ...image, openRange }, { proof: 'toc' })).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:DIGEST_MISMATCH|LAYER_INVALID)$/),
      })
    }
  })

  it('are marked in what commands print', async () => {
    await layoutOf(base)
    const run = async (...words: string[]) => {
      let [stdout, stderr] = ['', '']
      const code = await runCommandLine({
        words: [...words, '--image', `oci:${where}`, '--cache', 'false'],
        environment: {},
        directory: where,
        version: '0',
        stdout: text => {
          stdout += text
        },
        stderr: text => {
          stderr += text
        },
      })
      return { code, stdout, stderr }
    }
    const trusted = await run('predict', '--json', '--trust-toc')
    expect(trusted.code, trusted.stderr).toBe(0)
    const { image, predictions } = JSON.parse(trusted.stdout)
    expect(image.proof).toBe('toc')
    for (const { notes } of predictions) expect(notes).toContain(tocNote)
    const whole = JSON.parse((await run('predict', '--json')).stdout)
    expect(whole.image.proof).toBe('all-layers')
    expect(JSON.stringify(whole)).not.toContain(tocNote)
    // lines are broken where a terminal ends
    expect((await run('predict', '--trust-toc')).stdout.replace(/\s+/g, ' ')).toContain(tocNote)
    expect((await run('boot-files', '--trust-toc')).stdout).toContain(tocNote)
  })
})
