// The double itself: it must refuse what GitHub's description does not know, or a test against it proves nothing.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BareRepository } from '../build/github/bare-repository.ts'
import { type GitHubDouble, startGitHubDouble } from '../build/github/double.ts'
import { checkAnswer, operations } from '../build/github/openapi.ts'

let directory: string
let double: GitHubDouble

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'double-'))
  const git = BareRepository.create(join(directory, 'fleet.git'), { 'a.yaml': 'a: 1\n' })
  const writer = { login: 'w', app: false, contents: 'write', pullRequests: 'write' } as const
  double = await startGitHubDouble([{ owner: 'acme', name: 'fleet', git, defaultBranch: 'main' }], { writer })
})

afterAll(async () => {
  await double.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function send(method: string, path: string, body?: unknown, token = 'writer'): Promise<number> {
  const response = await fetch(`${double.url}${path}`, {
    method,
    headers: { authorization: `token ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  await response.text()
  return response.status
}

describe('the GitHub double', () => {
  it.each<[string, string, string, unknown, RegExp]>([
    [
      'an unknown member',
      'POST',
      '/repos/acme/fleet/pulls',
      { head: 'a', base: 'b', tittle: 'x' },
      /additional properties/,
    ],
    ['an unknown member deep down', 'POST', '/repos/acme/fleet/git/trees', { tree: [{ pth: 'a' }] }, /tree\/0/],
    ['a missing member', 'POST', '/repos/acme/fleet/git/refs', { ref: 'refs/heads/x' }, /required property 'sha'/],
    ['a wrong type', 'PATCH', '/repos/acme/fleet/git/refs/heads/main', { sha: 1 }, /must be string/],
    [
      'a mode that git has not',
      'POST',
      '/repos/acme/fleet/git/trees',
      { tree: [{ mode: '100600' }] },
      /allowed values/,
    ],
    [
      'an unknown query parameter',
      'GET',
      '/repos/acme/fleet/pulls?heads=x',
      undefined,
      /unknown query parameter heads/,
    ],
    ['a wrong word in the query', 'GET', '/repos/acme/fleet/pulls?state=done', undefined, /allowed values/],
    ['an operation that we do not use', 'GET', '/repos/acme/fleet/issues', undefined, /no operation/],
  ])('notes %s', async (_, method, path, body, violation) => {
    const before = double.violations.length
    expect([404, 422]).toContain(await send(method, path, body))
    expect(double.violations.slice(before).join('\n')).toMatch(violation)
  })

  it('notes an answer of its own that is not GitHub’s', () => {
    const operation = operations.find(({ id }) => id === 'git/get-ref')
    if (operation === undefined) throw new Error('no operation')
    expect(checkAnswer(operation, 200, { ref: 'refs/heads/main' })).not.toEqual([])
    expect(checkAnswer(operation, 418, {})).toEqual(['git/get-ref: answer 418 is not described'])
  })

  it('knows all sixteen operations, and asks for a token', async () => {
    expect(operations).toHaveLength(16)
    expect(await send('GET', '/repos/acme/fleet', undefined, 'nobody')).toBe(401)
    expect(await send('GET', '/repos/acme/fleet')).toBe(200)
    expect(double.log.at(-1)).toEqual({ method: 'GET', path: '/repos/acme/fleet', operation: 'repos/get', status: 200 })
  })
})
