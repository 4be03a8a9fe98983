// What to do about a key: unchanged, created, updated, rejected, or refused.

import { describe, expect, it } from 'vitest'
import { changeKeyLine, changeKeyOf, formatCommitMessage } from '../../src/propose/commit-message.ts'
import { emptyLock } from '../../src/propose/lock.ts'
import { decideOutcome, type OwnBranch, type PullRequestSeen, type Situation } from '../../src/propose/outcome.ts'
import { faultOf, hexOf, imageOf, makeRecord } from '../build/proposal.ts'

const key = hexOf('key')
const message = (one: string) => formatCommitMessage('Subject', 'Body', one)
const commit = (one: string, author: string | null = 'bot') => ({ sha: hexOf(one).slice(0, 40), message: one, author })
const branch = (...messages: string[]): OwnBranch => ({
  head: 'h',
  tree: 't',
  mergeBase: 'm',
  commits: messages.map(one => commit(one)),
})
const bodyFor = (one: string) => `Start\n\n- ${changeKeyLine('`r.yaml`', one)}\n- more\n`
const pull = (state: PullRequestSeen['state'], headMessage: string | null, body = bodyFor(key)): PullRequestSeen => ({
  number: 7,
  url: 'https://github.example.com/7',
  state,
  body,
  headMessage,
})
const nothing: Situation = { branch: undefined, pullRequests: [], login: 'bot', lock: undefined, records: [] }
const decide = (situation: Partial<Situation>, pools = ['worker']) =>
  decideOutcome({ ...nothing, ...situation }, key, pools)

describe('decideOutcome', () => {
  it.each<[string, Partial<Situation>, string]>([
    ['nothing there', {}, 'created'],
    ['same key and open', { branch: branch(message(key)), pullRequests: [pull('open', message(key))] }, 'unchanged'],
    [
      'same key and open, text with other line ends',
      {
        branch: branch(message(key)),
        pullRequests: [pull('open', null, bodyFor(key).replaceAll('\n', '\r\n'))],
      },
      'unchanged',
    ],
    [
      'same key and open, but the text is of the change before',
      { branch: branch(message(key)), pullRequests: [pull('open', null, bodyFor(hexOf('x')))] },
      'updated',
    ],
    [
      'same key and open, but without text',
      { branch: branch(message(key)), pullRequests: [pull('open', null, '')] },
      'updated',
    ],
    [
      'same key, not at the head',
      { branch: branch(message(key), message(hexOf('x'))), pullRequests: [pull('open', null)] },
      'updated',
    ],
    ['another key and open', { branch: branch(message(hexOf('x'))), pullRequests: [pull('open', null)] }, 'updated'],
    ['branch without pull request', { branch: branch(message(key)) }, 'created'],
    ['merged with the same key', { pullRequests: [pull('merged', message(key))] }, 'created'],
    ['closed with the same key', { pullRequests: [pull('closed', message(key))] }, 'rejected'],
    ['closed with another key', { pullRequests: [pull('closed', message(hexOf('x')))] }, 'created'],
    ['closed, commit gone', { pullRequests: [pull('closed', null)] }, 'created'],
  ])('%s', (_, situation, outcome) => {
    expect(decide(situation).outcome).toBe(outcome)
  })

  it('a record that every asked pool names, with this key: unchanged', () => {
    const record = makeRecord('a', { changeKey: key })
    const pool = { image: imageOf('a'), platforms: [], inheritedBy: [] }
    const lock = { ...emptyLock('2026-11-21'), pools: { worker: pool } }
    const records = [{ path: 'r.yaml', record }]
    expect(decide({ lock, records }).outcome).toBe('unchanged')
    expect(decide({ lock, records }, ['worker', 'master']).outcome).toBe('created')
    const retired = { at: '2026-12-01T00:00:00Z', branch: 'main', evidenceSha256: key }
    expect(decide({ lock, records: [{ path: 'r.yaml', record: { ...record, retired } }] }).outcome).toBe('created')
    expect(decide({ lock, records: [{ path: 'r.yaml', record: makeRecord('a') }] }).outcome).toBe('created')
  })

  it.each<[string, OwnBranch]>([
    ['a commit without trailer', branch(message(key), 'Fix a typo')],
    ['a commit of somebody else', { ...branch(), commits: [commit(message(key), 'mallory')] }],
    ['a commit whose author has no login', { ...branch(), commits: [commit(message(key), null)] }],
  ])('refuses %s', (_, own) => {
    expect(faultOf(() => decide({ branch: own, pullRequests: [pull('open', null)] }))).toMatchObject({
      code: 'BRANCH_HAS_FOREIGN_COMMITS',
      found: expect.stringContaining('commit '),
    })
  })

  it('refuses more commits than can be listed, and says what to do', () => {
    expect(faultOf(() => decide({ branch: { ...branch(), commits: undefined } }))).toMatchObject({
      code: 'BRANCH_HAS_FOREIGN_COMMITS',
      found: expect.stringContaining('more commits'),
      hint: expect.stringContaining('delete the branch'),
    })
  })

  it.each(['mallory', 'bot', null])('a token of an App does not take %s for itself, trailer or not', author => {
    const own = { ...branch(), commits: [commit(message(key), author)] }
    expect(faultOf(() => decide({ branch: own, login: undefined }))).toMatchObject({
      code: 'BRANCH_HAS_FOREIGN_COMMITS',
    })
  })

  it('a token of an App trusts the trailer of an App', () => {
    const own = { ...branch(), commits: [commit(message(key), 'app[bot]')] }
    expect(decide({ branch: own, login: undefined, pullRequests: [pull('open', null)] }).outcome).toBe('unchanged')
  })
})

describe('the trailer', () => {
  it.each([
    [message(key), key],
    [message(key).trimEnd(), key],
    [`S\n\nB\n\nSigned-off-by: a\nChange-Key: ${key}\n`, key],
    [`S\n\nChange-Key: ${key}\n\nmore text\n`, undefined],
    [`S\n\nChange-Key: ${key}\nChange-Key: ${key}\n`, undefined],
    [`S\n\nChange-Key: ${key.slice(1)}\n`, undefined],
    ['', undefined],
  ])('is read from the last paragraph only (%#)', (text, found) => {
    expect(changeKeyOf(text)).toBe(found)
  })
})
