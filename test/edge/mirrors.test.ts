// Metalinks and mirror lists against servers on loopback: which mirror is asked, what is believed of it, and what comes of its faults.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { DownloadOptions } from '../../src/edge/download.ts'
import { terminalLog } from '../../src/edge/log.ts'
import { type FetchedRepository, fetchRepositories } from '../../src/edge/repository-metadata.ts'
import { downloadPackages } from '../../src/edge/rpm-repository.ts'
import { repositoryFormats } from '../../src/formats/rpm/repository-formats.ts'
import { type FileServer, type Misbehaviour, serveFiles } from '../build/file-server.ts'
import { makeMetalink } from '../build/metalink.ts'
import { makeRpm } from '../build/rpm.ts'
import { makeRepository } from '../build/rpm-repository.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const warnings: string[] = []
const log = terminalLog(text => warnings.push(...(/^warning: /.test(text) ? [text] : [])))
const options: DownloadOptions = { allowInsecure: true, timing: { stall: 500, total: 5000, pauses: [] }, log }
const core = makeRpm({ name: 'kernel-core', version: '5.14.0', release: '601.el9' })
const newer = makeRepository({ packages: [core] })
const older = makeRepository({ packages: [makeRpm({ name: 'kernel-core', version: '5.14.0', release: '600.el9' })] })
const repomdOf = (files: ReadonlyMap<string, Uint8Array>) => files.get('repodata/repomd.xml') ?? new Uint8Array()
const fault = (code: string, found?: RegExp) =>
  expect.objectContaining({ code, ...(found === undefined ? {} : { found: expect.stringMatching(found) }) })

interface Mirror {
  readonly files?: ReadonlyMap<string, Uint8Array>
  readonly wrong?: (path: string) => Misbehaviour | undefined
}

/** Serves the mirrors and a list of them, and asks; the list may name a dead one beside. */
async function withMirrors<T>(
  mirrors: readonly Mirror[],
  list: (urls: readonly string[]) => { readonly kind: string; readonly text: string | Uint8Array },
  use: (repository: FetchedRepository, servers: readonly FileServer[]) => Promise<T>,
): Promise<T> {
  warnings.length = 0
  const servers = await Promise.all(mirrors.map(({ files = newer, wrong }) => serveFiles(files, wrong)))
  const { kind, text } = list(servers.map(({ url }) => url))
  await using directory = await serveFiles(new Map([['list', Buffer.from(text)]]))
  try {
    const source = `${kind}=${directory.url}/list?arch=x86_64`
    const [repository] = await fetchRepositories([source], new Set(['kernel-core']), repositoryFormats, options)
    if (repository === undefined) throw new Error('no repository')
    return await use(repository, servers)
  } finally {
    for (const server of servers) await server.close()
  }
}

const metalink =
  (repomd: readonly Uint8Array[] = [repomdOf(newer)]) =>
  (urls: readonly string[]) => ({
    kind: 'metalink',
    text: makeMetalink({ mirrors: urls, repomd }),
  })
const mirrorlist = (urls: readonly string[]) => ({ kind: 'mirrorlist', text: `# mirrors\n${urls.join('\n')}\n` })
const releases = async ({ packages }: FetchedRepository) => packages.map(({ evr }) => evr.release)
const only = (part: RegExp, wrong: Misbehaviour) => (path: string) => (part.test(path) ? wrong : undefined)

describe('a metalink', () => {
  it('the mirror with the highest preference is asked, and no other', async () => {
    const asked = await withMirrors([{}, {}], metalink(), async (repository, servers) => {
      expect(repository.url).toBe(servers[0]?.url)
      expect(repository.packages[0]?.otherLocations).toEqual([expect.stringContaining(servers[1]?.url ?? '')])
      return servers.map(({ requests }) => requests.length)
    })
    expect(asked).toEqual([2, 0])
    expect(warnings).toEqual([])
  })

  it.each<[string, Mirror, RegExp]>([
    ['that has another repomd.xml', { files: older }, /none that the metalink names.*repomd\.xml/],
    ['that is down', { wrong: () => ({ refuse: true }) }, /cannot download/],
    ['that has no repomd.xml', { wrong: only(/repomd/, { status: 404 }) }, /HTTP status 404/],
    ['that stalls', { wrong: only(/repomd/, { stallAfter: 10 }) }, /no byte for/],
    ['whose primary metadata is damaged', { wrong: only(/primary/, { body: Buffer.from('x') }) }, /wrong size/],
    ['whose primary metadata is missing', { wrong: only(/primary/, { status: 404 }) }, /HTTP status 404/],
  ])('a mirror %s is passed over, and that is told', async (_, mirror, told) => {
    expect(await withMirrors([mirror, {}], metalink(), releases)).toEqual(['601.el9'])
    expect(warnings).toEqual([expect.stringMatching(told)])
  })

  it('an alternate is taken', async () => {
    expect(await withMirrors([{ files: older }], metalink([repomdOf(newer), repomdOf(older)]), releases)).toEqual([
      '600.el9',
    ])
  })

  it('no mirror has the repomd.xml: a mismatch, though another is down', async () => {
    const mirrors = [{ wrong: () => ({ refuse: true }) }, { files: older }, { files: older }]
    await expect(withMirrors(mirrors, metalink(), releases)).rejects.toThrow(
      fault('CHECKSUM_MISMATCH', /127\.0\.0\.1.*; .*; /),
    )
    expect(warnings).toHaveLength(2)
  })

  it('all mirrors are down', async () => {
    const dead = { wrong: () => ({ refuse: true }) }
    await expect(withMirrors([dead, dead], metalink(), releases)).rejects.toThrow(fault('REPOSITORY_UNREACHABLE', /; /))
  })

  it('a metalink that cannot be read is an error', async () => {
    await expect(withMirrors([{}], () => ({ kind: 'metalink', text: '<html/>' }), releases)).rejects.toThrow(
      fault('REPOSITORY_INVALID', /root/),
    )
  })

  it('plain http needs leave, for the metalink itself', async () => {
    await using server = await serveFiles(new Map())
    const strict = { ...options, allowInsecure: false }
    for (const kind of ['metalink', 'mirrorlist'])
      await expect(
        fetchRepositories([`${kind}=${server.url}/list`], new Set(), repositoryFormats, strict),
      ).rejects.toThrow(fault('INSECURE_NOT_ALLOWED'))
    expect(server.requests).toEqual([])
  })
})

describe('a mirror list', () => {
  it('the first mirror that works is taken, without hashes of its repomd.xml', async () => {
    const dead = { wrong: () => ({ refuse: true }) }
    expect(await withMirrors([dead, { files: older }, {}], mirrorlist, releases)).toEqual(['600.el9'])
    expect(warnings).toHaveLength(1)
  })
})

describe('packages of mirrors', () => {
  it.each<[string, Misbehaviour]>([
    ['missing', { status: 404 }],
    ['another', { body: Buffer.alloc(core.length) }],
    ['broken off', { breakAfter: 10 }],
  ])('come from the next mirror when they are %s', async (_, wrong) => {
    const directory = temporaryDirectory()
    await withMirrors([{ wrong: only(/\.rpm$/, wrong) }, {}], metalink(), async ({ packages }) => {
      const [one] = await downloadPackages(packages, directory, options)
      expect(readFileSync(one?.path ?? '').equals(core)).toBe(true)
    })
    expect(warnings).toHaveLength(1)
  })

  it('are refused when no mirror has them, and nothing stays', async () => {
    const directory = temporaryDirectory()
    const wrong = only(/\.rpm$/, { body: Buffer.alloc(core.length) })
    await withMirrors([{ wrong }, { wrong }], metalink(), async ({ packages }) => {
      await expect(downloadPackages(packages, directory, options)).rejects.toThrow(fault('CHECKSUM_MISMATCH', /; /))
    })
    expect(readdirSync(directory)).toEqual([])
  })
})
