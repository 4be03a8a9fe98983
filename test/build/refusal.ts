// What every refused run must be: one code everywhere, words that help, no write anywhere, nothing left behind, no secret told.

import { readdirSync } from 'node:fs'
import { expect } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import type { ActionRun, ProgramRun, RunOptions } from './bundle-runner.ts'
import type { LoopbackWorld } from './loopback-world.ts'

export interface Refusal {
  readonly code: ErrorCode
  /** 1 when left out. */
  readonly exitCode?: 1 | 2
  /** Must all be in the annotations: found, wanted, where, hint. */
  readonly words: readonly (string | RegExp)[]
  /** The fault comes during the push: blobs may have arrived, tags may not. */
  readonly duringPush?: boolean
  /** The fault comes after the push: the image is there, the pull request is not. */
  readonly afterPush?: boolean
}

/** One row of a table of refusals: inputs that differ from a run that works. */
export interface RefusalCase extends Refusal {
  readonly name: string
  readonly inputs?: Readonly<Record<string, string>>
  readonly options?: RunOptions
}

/** Runs the Action and checks everything that a refusal must be. */
export async function expectRefused(
  world: LoopbackWorld,
  wanted: Refusal & Pick<RefusalCase, 'inputs' | 'options'>,
): Promise<ActionRun> {
  const before = world.snapshot()
  const [asked, pushed] = [world.github.log.length, world.registry.requests.length]
  const run = await world.update(wanted.inputs, wanted.options)

  expect(run.outputs['error-code'], run.stdout).toBe(wanted.code)
  expect(run.exitCode).toBe(wanted.exitCode ?? 1)
  expect(run.outputs.outcome).toBe('failed')
  for (const name of ['image', 'digest', 'commit', 'pull-request-number', 'pull-request-url', 'predictions'])
    expect(run.outputs[name] ?? '', name).toBe('')
  const told = run.errors.map(decode).join('\n')
  expect(run.errors.length).toBeGreaterThan(0)
  expect(told).toContain(`title=${wanted.code}`)
  for (const words of wanted.words) expect(told).toMatch(words)
  expect(run.stdout).toContain(`${wanted.code}: `)
  expect(run.summary).toContain(`**${wanted.code}**`)
  expectClean(run)
  expect(run.left).toEqual([])
  expect(readdirSync(world.temporary)).toEqual([])

  const after = world.snapshot()
  expect(after.refs).toBe(before.refs)
  expect(after.pullRequests).toBe(before.pullRequests)
  const written = world.github.log
    .slice(asked)
    .filter(({ method, path, status }) => method !== 'GET' && status < 300 && !path.endsWith('/git/blobs'))
  if (wanted.afterPush !== true) expect(written).toEqual([])
  if (wanted.duringPush === true) expect(tagsOf(after.registry)).toEqual(tagsOf(before.registry))
  else if (wanted.afterPush !== true) {
    expect(after.registry).toEqual(before.registry)
    const writes = world.registry.requests.slice(pushed).filter(({ method }) => !['GET', 'HEAD'].includes(method))
    expect(writes).toEqual([])
  }
  expect(world.github.violations).toEqual([])
  return run
}

/** No stack, no warning of Node.js, no secret but in the line that has the runner mask it. */
export function expectClean(run: ProgramRun & { readonly summary?: string }): void {
  const shown = run.stdout
    .split('\n')
    .filter(line => !line.startsWith('::add-mask::'))
    .join('\n')
  for (const text of [shown, run.stderr, run.summary ?? '']) {
    expect(text).not.toMatch(/(?:good|read-only|no-pull-requests|blind|wrong)-token|registry-password/)
    expect(text).not.toMatch(/^\s+at .*(?::\d+:\d+|node:)/m)
    expect(text).not.toMatch(/\[object |\bundefined\b(?! entity)|Warning: |\bBUG\b/)
  }
}

/** As the runner undoes it (actions/runner, ActionCommand.cs). */
function decode(line: string): string {
  const unescaped: Readonly<Record<string, string>> = {
    '%0D': '\r',
    '%0A': '\n',
    '%3A': ':',
    '%2C': ',',
    '%25': '%',
  }
  return line.replace(/%(?:0D|0A|3A|2C|25)/g, code => unescaped[code] ?? code)
}

function tagsOf(contents: unknown): unknown {
  return (contents as { repository: string; tags: Record<string, string> }[])
    .filter(({ tags }) => Object.keys(tags).length > 0)
    .map(({ repository, tags }) => [repository, tags])
}
