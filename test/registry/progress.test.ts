// What the bundle shows while it reads from a registry that takes its time: on a terminal of script(1), in a log, with --quiet.

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { node24, runAction, runCli } from '../build/bundle-runner.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage } from '../build/oci-layout.ts'
import { grubFiles, grubTree } from '../build/predict-runs.ts'
import { startProxy, type TestProxy } from '../build/proxy.ts'
import { startRegistry, type TestRegistry } from '../build/registry.ts'

const run = promisify(execFile)
const noise = (seed: number) => new Uint8Array(2_000_000).map((_, i) => (i * i * seed) >> 5)
const large = [3, 5].map(seed => makeLayer([file(`usr/share/${seed}`, noise(seed))], { compression: 'none' }))
const image = makeImage({ layers: [...large, makeLayer(grubTree(grubFiles('progress')))] })
const reading = ['boot-files', '--json', '--allow-insecure', '--image', 'docker://slow.example:81/os:v1']

let directory: string
let registry: TestRegistry
let proxy: TestProxy
let environment: Record<string, string>
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'progress-'))
  registry = await startRegistry({ name: 'slow.example:81' })
  registry.add('os', image, 'v1')
  proxy = await startProxy(registry.port, { pauseMs: 15 })
  environment = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url }
})
afterAll(async () => {
  await proxy.close()
  await registry.close()
  await rm(directory, { recursive: true })
})

/** What a terminal gets as stderr; stdout goes to a file. */
async function onTerminal(...more: readonly string[]): Promise<{ screen: string; document: unknown }> {
  const out = join(directory, 'out.json')
  const cli = resolve(import.meta.dirname, '../../dist/cli.js')
  const command = `stty cols 100; ${[node24, cli, ...reading, ...more].join(' ')} > ${out}`
  const env = { PATH: process.env.PATH, HOME: directory, TERM: 'xterm', SHELL: '/bin/sh', ...environment }
  const { stdout } = await run('script', ['--quiet', '--return', '--command', command, '/dev/null'], { env })
  return { screen: stdout, document: JSON.parse(await readFile(out, 'utf8')) }
}
const found = expect.objectContaining({ image: expect.objectContaining({ digest: image.digest }) })

it('a terminal has one line, redrawn, and nothing of it stays', async () => {
  const { screen, document } = await onTerminal()
  expect(document).toEqual(found)
  expect(screen).not.toContain('\n')
  const drawn = screen.split('\r').filter(part => part !== '')
  expect(drawn.length).toBeGreaterThan(3)
  expect(drawn.pop()).toBe('\x1b[K')
  const size = String.raw`\d+(\.\d)? [kM]?B`
  const line = new RegExp(String.raw`^layers [0-3] of 3, ${size} of 4\.\d MB, ${size}/s(, [\d.]+ s left)?\x1b\[K$`)
  for (const part of drawn) expect(part).toMatch(line)
  expect(drawn.join()).toContain(' s left')
})

it('a log has one line per layer, and stdout the document alone', async () => {
  const { exitCode, stdout, stderr } = await runCli(reading, { environment })
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toEqual(found)
  const lines = stderr.trimEnd().split('\n')
  const layers: readonly string[] = image.layers.map(({ digest }) => digest)
  const told = lines.map(line => /^layer ([123]) of 3, (sha256:[0-9a-f]{64}): [\d.]+ [kM]B in \d+\.\d s$/.exec(line))
  expect(told.map(one => layers.indexOf(one?.[2] ?? '') + 1).toSorted()).toEqual([1, 2, 3])
  expect(told.every(one => layers[Number(one?.[1]) - 1] === one?.[2])).toBe(true)
})

it('a layer from the cache is told as such', async () => {
  const words = [...reading, '--cache-directory', join(directory, 'cache')]
  await runCli(words, { environment })
  const { stderr } = await runCli(words, { environment })
  expect(stderr.match(/from the cache$/gm)).toHaveLength(3)
})

it('the log of the Action has the same lines', async () => {
  const inputs = { command: 'boot-files', image: 'docker://slow.example:81/os:v1', 'allow-insecure': 'true' }
  const { exitCode, stdout } = await runAction(inputs, { environment })
  expect(exitCode, stdout).toBe(0)
  expect(stdout.match(/^layer [123] of 3, /gm)).toHaveLength(3)
  expect(stdout).not.toContain('\r')
})

it('--quiet says nothing, on a terminal and in a log', async () => {
  expect(await onTerminal('--quiet')).toEqual({ screen: '', document: found })
  expect((await runCli([...reading, '--quiet'], { environment })).stderr).toBe('')
})
