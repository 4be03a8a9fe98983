// Repositories of createrepo_c in the states that mirrors are found in: recompressed, half synchronised, gone back, damaged, behind lists of mirrors.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gunzipSync, zstdCompressSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import type { DownloadOptions } from '../../src/edge/download.ts'
import { terminalLog } from '../../src/edge/log.ts'
import { fetchRepositories } from '../../src/edge/repository-metadata.ts'
import { repositoryFormats } from '../../src/formats/rpm/repository-formats.ts'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import { baseKernelOf } from '../../src/kernel/base-kernel.ts'
import { findKernel, namesToFetch } from '../../src/kernel/choose-kernel.ts'
import { parseKernelRequest } from '../../src/kernel/kernel-request.ts'
import { serveFiles } from '../build/file-server.ts'
import { makeMetalink } from '../build/metalink.ts'
import { buildWithRpmbuild, createRepository, run, workDirectory } from './programs.ts'

type Files = ReadonlyMap<string, Uint8Array>

const directory = workDirectory()
const base = baseKernelOf(
  ['kernel', 'kernel-core', 'kernel-modules'].map(name => ({ name, evr: parseEvr('6.1.0-50.el9'), arch: 'x86_64' })),
  'x86_64',
)
/** File name → bytes; three packages of each release. */
const rpms = new Map<string, Uint8Array>()
const warnings: string[] = []
const log = terminalLog(text => warnings.push(...(/^warning: /.test(text) ? [text] : [])))
const options: DownloadOptions = { allowInsecure: true, timing: { stall: 500, total: 5000, pauses: [] }, log }

beforeAll(() => {
  for (const release of ['57.el9', '58.el9', '59.el9'])
    for (const path of buildWithRpmbuild(directory, { version: '6.1.0', release, payload: 'w1.gzdio' }))
      rpms.set(basename(path), new Uint8Array(readFileSync(path)))
})

const withReleases = (pattern: RegExp, ...words: readonly string[]): Map<string, Uint8Array> =>
  createRepository(directory, new Map([...rpms].filter(([name]) => pattern.test(name))), ...words)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const repomdOf = (files: Files) => files.get('repodata/repomd.xml') ?? new Uint8Array()

/** As a mirror does that recompresses: the primary metadata in zstd, by the program zstd or by Node.js, its sums written anew into repomd.xml. */
function recompressed(files: Files, compress: (bytes: Uint8Array) => Uint8Array): Map<string, Uint8Array> {
  const [name = '', packed = new Uint8Array()] = [...files].find(([path]) => path.endsWith('-primary.xml.gz')) ?? []
  const bytes = compress(gunzipSync(packed))
  const path = `repodata/${sha256(bytes)}-primary.xml.zst`
  const text = Buffer.from(repomdOf(files)).toString()
  const [data = ''] = /<data type="primary">[\s\S]*?<\/data>/.exec(text) ?? []
  const rewritten = data
    .replace(/(<checksum type="sha256">)[0-9a-f]+/, `$1${sha256(bytes)}`)
    .replace(/<size>\d+/, `<size>${bytes.length}`)
    .replace(name, path)
  expect(rewritten).not.toBe(data)
  const others = [...files].filter(([one]) => one !== name)
  return new Map([...others, [path, bytes], ['repodata/repomd.xml', Buffer.from(text.replace(data, rewritten))]])
}

/** What is chosen from the repositories that the entries name. */
async function choose(...entries: readonly string[]) {
  warnings.length = 0
  const repositories = await fetchRepositories(entries, namesToFetch(base, []), repositoryFormats, options)
  return findKernel({
    base,
    repositories,
    request: parseKernelRequest('latest'),
    dist: undefined,
    extraPackages: [],
    allowDowngrade: false,
  })
}

async function chooseFrom(...all: readonly Files[]) {
  const servers = await Promise.all(all.map(files => serveFiles(files)))
  try {
    return await choose(...servers.map(({ url }) => url))
  } finally {
    for (const server of servers) await server.close()
  }
}

const release = (choice: Awaited<ReturnType<typeof choose>>) =>
  'problem' in choice ? choice.problem.code : choice.kernel.release

describe('repositories of createrepo_c', () => {
  it.each<[string, () => Files]>([
    ['gz', () => withReleases(/./)],
    ['xz', () => withReleases(/./, '--general-compress-type=xz')],
    ['zst of Node.js', () => recompressed(withReleases(/./), bytes => zstdCompressSync(bytes))],
    ['zst of the program zstd', () => recompressed(withReleases(/./), zstdOfProgram)],
    ['several frames of zstd', () => recompressed(withReleases(/./), inFrames)],
  ])('%s: the newest kernel', async (_, make) => {
    expect(release(await chooseFrom(make()))).toBe('6.1.0-59.el9.x86_64')
  })

  it('half synchronised: the newest that is whole, and what the newer one lacks', async () => {
    const choice = await chooseFrom(withReleases(/5[78]\.el9|core-6\.1\.0-59/))
    expect(release(choice)).toBe('6.1.0-58.el9.x86_64')
    expect(choice.incomplete).toEqual([{ evr: parseEvr('6.1.0-59.el9'), missing: ['kernel', 'kernel-modules'] }])
  })

  it('half synchronised with nothing older: none, and it says why', async () => {
    const choice = await chooseFrom(withReleases(/core-6\.1\.0-59/))
    expect(release(choice)).toBe('KERNEL_INCOMPLETE')
  })

  it('two halves of one build make a whole', async () => {
    const choice = await chooseFrom(withReleases(/core-6\.1\.0-59/), withReleases(/kernel-(?!core).*59/))
    expect(release(choice)).toBe('6.1.0-59.el9.x86_64')
  })

  it('the time of the newest metadata is the one that createrepo_c wrote', async () => {
    const files = withReleases(/57/, '--revision=7')
    const written = [
      ...Buffer.from(repomdOf(files))
        .toString()
        .matchAll(/<timestamp>(\d+)</g),
    ].map(([, time]) => Number(time))
    await using server = await serveFiles(files)
    const [repository] = await fetchRepositories([server.url], new Set(), repositoryFormats, options)
    expect(repository?.timestamp).toBe(Math.max(...written))
  })

  it('damaged at any place of its compressed metadata: refused, never another answer', async () => {
    const files = withReleases(/./)
    const [name = '', packed = new Uint8Array()] = [...files].find(([path]) => path.endsWith('-primary.xml.gz')) ?? []
    for (let at = 0; at < packed.length; at += Math.ceil(packed.length / 40)) {
      const damaged = new Map(files).set(name, packed.with(at, (packed[at] ?? 0) ^ 0x10))
      await expect(chooseFrom(damaged)).rejects.toThrow(expect.objectContaining({ code: 'CHECKSUM_MISMATCH' }))
    }
  })

  it('behind a metalink: a mirror that has gone back is passed over', async () => {
    const [now, before] = [withReleases(/./), withReleases(/5[78]/)]
    await using old = await serveFiles(before)
    await using good = await serveFiles(now)
    const text = makeMetalink({ mirrors: [old.url, good.url], repomd: [repomdOf(now)] })
    await using lists = await serveFiles(
      new Map([
        ['metalink', text],
        ['mirrors', Buffer.from(`${old.url}\n${good.url}\n`)],
      ]),
    )
    expect(release(await choose(`metalink=${lists.url}/metalink`))).toBe('6.1.0-59.el9.x86_64')
    expect(warnings).toEqual([expect.stringContaining('none that the metalink names')])
    // a mirror list has nothing to see that by
    expect(release(await choose(`mirrorlist=${lists.url}/mirrors`))).toBe('6.1.0-58.el9.x86_64')
    expect(warnings).toEqual([])
  })
})

function zstdOfProgram(bytes: Uint8Array): Uint8Array {
  const path = `${directory}/primary.xml`
  writeFileSync(path, bytes)
  run('zstd', '--quiet', '--force', '-19', path, '-o', `${path}.zst`)
  return new Uint8Array(readFileSync(`${path}.zst`))
}

function inFrames(bytes: Uint8Array): Uint8Array {
  const middle = Math.floor(bytes.length / 2)
  return new Uint8Array(
    Buffer.concat([zstdCompressSync(bytes.subarray(0, middle)), zstdCompressSync(bytes.subarray(middle))]),
  )
}
