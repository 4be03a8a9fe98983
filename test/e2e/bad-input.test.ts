// Broken images and registries, each fault by name, as the bundle meets them: a clear error, or a recovered read. Faults that take a minute
// (stalls) are in test/edge/registry-faults.test.ts, what podman makes of the images in test/images/rules.test.ts, memory in test/images/memory.test.ts.

import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { type ProgramRun, runCli } from '../build/bundle-runner.ts'
import { compress, file, hardLink, type LayerEntry, layerOfTar, makeLayer, sha256, symlink } from '../build/layer.ts'
import { type MadeImage, type MadeIndex, makeImage, makeIndex } from '../build/oci-layout.ts'
import { grubFiles, grubTree } from '../build/predict-runs.ts'
import { type RegistryFault, type RegistryOptions, startRegistry, type TestRegistry } from '../build/registry.ts'

const boot = grubTree(grubFiles('bad-input'))
const kernelPath = boot.map(({ path }) => path).find(path => path.endsWith('/vmlinuz')) ?? ''
const noise = new Uint8Array(1_000_000).map((_, i) => (i * i) >> 5)
const large = makeLayer([file('usr/share/noise', noise)], { compression: 'none' })
const good = makeImage({ layers: [large, makeLayer(boot)] })
const over = (...entries: readonly LayerEntry[]) => makeImage({ layers: [makeLayer(boot), makeLayer(entries)] })
const withLayer = (bytes: Uint8Array, diffId = sha256(bytes)) =>
  makeImage({ layers: [makeLayer(boot), { ...layerOfTar(new Uint8Array()), bytes, digest: sha256(bytes), diffId }] })

/** The same image with other text in its manifest. */
function edited(image: MadeImage, from: string, to: string): MadeImage {
  const text = new TextDecoder().decode(image.manifest)
  if (!text.includes(from)) throw new Error(`${from} is not in the manifest`)
  const manifest = new TextEncoder().encode(text.replace(from, to))
  return { ...image, manifest, digest: sha256(manifest) }
}

const running: TestRegistry[] = []
afterAll(async () => {
  for (const one of running) await one.close()
})

async function read(
  made: MadeImage | MadeIndex,
  faults: readonly RegistryFault[] = [],
  options: RegistryOptions = {},
  whileReading: (registry: TestRegistry) => void = () => undefined,
): Promise<ProgramRun & { readonly registry: TestRegistry }> {
  const registry = await startRegistry(options)
  running.push(registry)
  registry.add('os', made, 'v1')
  registry.faults.push(...faults)
  whileReading(registry)
  const image = `docker://${registry.host}/os:v1`
  return { ...(await runCli(['boot-files', '--json', '--allow-insecure', '--image', image])), registry }
}

function expectRefusal({ exitCode, stdout, stderr }: ProgramRun, code: ErrorCode, says: string | RegExp): void {
  expect({ exitCode, first: stderr.match(/^[A-Z_]+: .*$/m)?.[0] }).toEqual({
    exitCode: 1,
    first: expect.stringMatching(new RegExp(`^${code}: `)),
  })
  expect(stderr).toMatch(says)
  expect(stderr).not.toMatch(/^\s+at .*:\d+/m)
  const { outcome, errors } = JSON.parse(stdout)
  expect([outcome, errors[0].code]).toEqual(['failed', code])
}

function expectRead({ exitCode, stdout, stderr }: ProgramRun, wanted = grubFiles('bad-input').kernel): void {
  expect(exitCode, stderr).toBe(0)
  const kernel = JSON.parse(stdout).bootFiles.find(({ role }: { role: string }) => role === 'kernel')
  expect([kernel.path, `sha256:${kernel.sha256}`]).toEqual([kernelPath, sha256(wanted)])
}

const blob = new RegExp(large.digest)
const at = (path: RegExp, fault: Omit<RegistryFault, 'path' | 'times'>, times = 99): RegistryFault => ({
  path,
  times,
  ...fault,
})
const bomb = new Uint8Array(64 * 1024 ** 2)

describe('an image is refused for', () => {
  it.concurrent.each<[string, ErrorCode, string | RegExp, MadeImage | MadeIndex]>([
    ['a wrong size in its manifest', 'DIGEST_MISMATCH', '1000 bytes', edited(good, `${large.bytes.length}`, '1000')],
    ['a layer that is cut', 'LAYER_INVALID', 'layer sha256:', withLayer(makeLayer(boot).bytes.subarray(0, -9))],
    ['an archive that is cut', 'LAYER_INVALID', 'layer sha256:', withLayer(makeLayer(boot).tar.subarray(0, 520))],
    ['a diff_id of other contents', 'DIGEST_MISMATCH', 'layer sha256:', withLayer(large.bytes, sha256(bomb))],
    [
      'a decompression bomb, gzip',
      'CEILING_REACHED',
      /200/,
      withLayer(new Uint8Array(gzipSync(bomb, { level: 9 })), sha256(bomb)),
    ],
    ['a decompression bomb, zstd', 'CEILING_REACHED', /200/, withLayer(compress(bomb, 'zstd'), sha256(bomb))],
    ['a path with .. that leaves the image', 'LAYER_INVALID', 'usr/../../x', over(file('usr/../../x', ''))],
    [
      'a link that leaves the root where the kernel should be',
      'LAYER_INVALID',
      kernelPath,
      over(symlink(kernelPath, '../'.repeat(9))),
    ],
    ['links in a circle where the kernel should be', 'LAYER_INVALID', kernelPath, over(symlink(kernelPath, 'vmlinuz'))],
    ['a hard link to nothing', 'LAYER_INVALID', 'opt/none', over(hardLink(kernelPath, 'opt/none'))],
    ['a hard link into another layer', 'LAYER_INVALID', kernelPath, over(hardLink(kernelPath, boot[0]?.path ?? ''))],
    [
      'fewer diff_ids than layers',
      'IMAGE_INVALID',
      'same number of layers',
      makeImage({ layers: [makeLayer(boot)], config: { rootfs: { type: 'layers', diff_ids: [] } } }),
    ],
    [
      'an index without our architecture',
      'IMAGE_PLATFORM_MISSING',
      'arm64',
      makeIndex([{ image: makeImage({ layers: [], architecture: 'arm64' }), architecture: 'arm64' }]),
    ],
    [
      'a layer twice, with two sizes',
      'DIGEST_MISMATCH',
      `${large.bytes.length + 1} bytes`,
      edited(
        makeImage({ layers: [large, makeLayer(boot), large] }),
        `${large.bytes.length}}]`,
        `${large.bytes.length + 1}}]`,
      ),
    ],
  ])('%s', async (_, code, says, made) => {
    expectRefusal(await read(made), code, says)
  })
})

describe('a registry is refused that', () => {
  it.concurrent.each<[string, ErrorCode, string | RegExp, RegistryFault]>([
    ['gives a wrong byte', 'DIGEST_MISMATCH', large.digest, at(blob, { body: 'wrong' })],
    ['gives a byte too many', 'DIGEST_MISMATCH', large.digest, at(blob, { body: 'longer' })],
    ['gives a wrong manifest', 'DIGEST_MISMATCH', 'manifest', at(/manifests/, { body: 'wrong' })],
    ['answers 401', 'REGISTRY_DENIED', '401', at(/manifests/, { status: 401 })],
    ['answers 403', 'REGISTRY_DENIED', '403', at(/manifests/, { status: 403 })],
    ['answers 404', 'IMAGE_NOT_FOUND', 'no such image', at(/manifests/, { status: 404 })],
    ['answers 416', 'REGISTRY_ERROR', '416', at(/manifests/, { status: 416 })],
    ['answers 429 for ever', 'REGISTRY_ERROR', '429', at(/manifests/, { status: 429 })],
    ['answers 500 for ever', 'REGISTRY_ERROR', '500', at(/manifests/, { status: 500 })],
    ['answers 403 for a layer', 'REGISTRY_DENIED', '403', at(blob, { status: 403 })],
    ['lacks a layer', 'IMAGE_NOT_FOUND', large.digest, at(blob, { status: 404 })],
    ['resets connections for ever', 'REGISTRY_UNREACHABLE', '127.0.0.1', at(/manifests/, { connection: 'reset' })],
  ])('%s', async (_, code, says, fault) => {
    expectRefusal(await read(good, [fault]), code, says)
  })
})

describe('a read recovers from', () => {
  it.concurrent.each<[string, readonly RegistryFault[]]>([
    ['a stream that breaks', [at(blob, { body: 'truncated' }, 1)]],
    ['a registry that ignores Range', [at(blob, { body: 'truncated' }, 1), at(blob, { range: 'ignored' }, 1)]],
    ['416 to Range', [at(blob, { body: 'truncated' }, 1), at(blob, { range: 'refused' }, 1)]],
    ['429', [at(blob, { status: 429 }, 1)]],
    ['502, 503 and 504', [502, 503, 504].map(status => at(blob, { status }, 1))],
    ['a manifest that breaks off', [at(/manifests/, { body: 'truncated' }, 1)]],
  ])('%s', async (_, faults) => {
    const run = await read(good, faults)
    expectRead(run)
    expect(run.registry.faults.map(({ times }) => times)).toEqual(faults.map(() => 0))
  })

  it.concurrent('a token that expires in the middle of a layer', async () => {
    const auth = { kind: 'bearer', username: 'tester', password: 'secret', anonymousPull: true } as const
    const only = makeLayer([...boot, file('usr/share/noise', noise)], { compression: 'none' })
    const path = new RegExp(only.digest)
    const run = await read(makeImage({ layers: [only] }), [at(path, { body: 'truncated' }, 1)], { auth }, registry => {
      // the pause before the second attempt is half a second
      const timer = setInterval(() => {
        if (!registry.requests.some(one => path.test(one.path))) return
        clearInterval(timer)
        registry.expireTokens()
      }, 10)
    })
    expectRead(run)
    const asked = run.registry.requests.filter(one => path.test(one.path)).map(({ range }) => range)
    const rest = `bytes=${Math.floor(only.bytes.length / 2)}-`
    expect(asked).toEqual([undefined, rest, rest])
    expect(run.registry.requests.filter(one => one.path.startsWith('/token'))).toHaveLength(2)
  })

  it.concurrent('a manifest that lists a layer twice', async () => {
    const other = makeLayer([file(kernelPath, 'MZ other')])
    expectRead(await read(makeImage({ layers: [makeLayer(boot), other, makeLayer(boot)] })))
    const twice = await read(makeImage({ layers: [makeLayer(boot), other, other] }))
    expectRead(twice, new TextEncoder().encode('MZ other'))
  })
})
