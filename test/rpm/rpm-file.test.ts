// Our RPM writer against rpm, and our reader against rpm on files of rpmbuild and of our writer.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { readRpmDatabase } from '../../src/edge/rpm-database.ts'
import { readChangelog } from '../../src/formats/rpm/changelog.ts'
import { readCpio } from '../../src/formats/rpm/cpio.ts'
import { fileSha256 } from '../../src/formats/rpm/file-list.ts'
import { parseRpmHeader, readMainHeader } from '../../src/formats/rpm/header.ts'
import { checkRpmDigests } from '../../src/formats/rpm/rpm-digests.ts'
import { parseRpm } from '../../src/formats/rpm/rpm-file.ts'
import { makeRpm, type RpmInput } from '../build/rpm.ts'
import { buildWithRpmbuild, run, unxz, workDirectory } from './programs.ts'

const directory = workDirectory()
const modules = '/usr/lib/modules/6.1.0-56.x86_64'
const made: readonly RpmInput[] = [
  {
    name: 'kernel-core',
    version: '6.1.0',
    release: '56',
    files: [
      { path: modules, directory: true },
      { path: `${modules}/vmlinuz`, content: 'MZ', mode: 0o755 },
      { path: `${modules}/big`, content: new Uint8Array(3_000_000) },
      { path: `${modules}/build`, link: '/usr/src' },
      { path: '/etc/ü and space', content: '' },
    ],
    postinstall: 'exit 0',
  },
  {
    name: 'kernel',
    epoch: 4,
    version: '6.1.0~rc1',
    release: '56.el9^git',
    compression: 'zstd',
    requires: ['kernel-core'],
    changelog: [
      { time: 1_763_000_000, title: 'Some Body <a@example.org> [6.1.0~rc1-56]', text: '- ü\n- two' },
      { time: 1_762_000_000, title: 'Other <b@example.org>', text: '' },
    ],
  },
  {
    name: 'data',
    version: '1',
    release: '1',
    arch: 'noarch',
    sourceRpm: null,
    compression: 'zstd',
    files: [{ path: '/data', content: 'x' }],
  },
]
const paths: string[] = []

beforeAll(() => {
  for (const input of made) {
    const path = join(directory, `${input.name}.rpm`)
    writeFileSync(path, makeRpm(input))
    paths.push(path)
  }
  for (const payload of ['w6.gzdio', 'w2.xzdio', 'w3.zstdio'])
    paths.push(...buildWithRpmbuild(directory, { version: '6.1.0', release: '57.el9', epoch: 1, payload }))
})

const identityFormat =
  '%{NAME}\\n%{EPOCHNUM}\\n%{VERSION}\\n%{RELEASE}\\n%{ARCH}\\n%{SOURCERPM}\\n%{PAYLOADFORMAT}\\n%{PAYLOADCOMPRESSOR}\\n[%{PAYLOADDIGEST}]\\n%{SHA256HEADER}\\n'
const orNone = (text: string | null) => text ?? '(none)'

describe('RPM files', () => {
  it('there are all that should be', () => {
    expect(paths).toHaveLength(made.length + 9)
  })

  it('rpm accepts every digest of the files we write', () => {
    for (const path of paths.slice(0, made.length)) {
      run('rpm', '-K', '--nosignature', path)
      const damaged = readFileSync(path)
      damaged[damaged.length - 10] = (damaged.at(-10) ?? 0) ^ 1
      writeFileSync(join(directory, 'damaged.rpm'), damaged)
      expect(() => run('rpm', '-K', '--nosignature', join(directory, 'damaged.rpm'))).toThrow()
    }
  })

  it('rpm lists the files we write', () => {
    const [path = ''] = paths
    expect(
      run(
        'rpm',
        '-qp',
        '--nosignature',
        '--qf',
        '[%{FILENAMES} %{FILEMODES:octal} %{FILESIZES} %{FILELINKTOS} %{FILEUSERNAME}\\n]',
        path,
      ),
    ).toBe(
      `/etc/ü and space 100644 0  root
${modules} 40755 4096  root
${modules}/big 100644 3000000  root
${modules}/build 120777 8 /usr/src root
${modules}/vmlinuz 100755 2  root
`,
    )
  })

  it('rpm and parseRpm read the same identity', () => {
    for (const path of paths) {
      const file = parseRpm(new Uint8Array(readFileSync(path)), path)
      const { header } = file
      const { epoch, version, release } = header.evr
      const ours = [header.name, epoch, version, release, orNone(header.arch), orNone(header.sourceRpm)]
      const payload = [header.payloadFormat, header.payloadCompressor, header.payloadSha256, file.headerSha256].map(
        orNone,
      )
      expect([...ours, ...payload].join('\n')).toBe(
        run('rpm', '-qp', '--nosignature', '--qf', identityFormat, path).trimEnd(),
      )
      checkRpmDigests(file)
    }
  })

  it('rpm and readChangelog read the same entries', () => {
    const format = '[%{CHANGELOGTIME}|%{CHANGELOGNAME}|%{CHANGELOGTEXT}\\n]'
    let count = 0
    for (const path of paths) {
      const file = parseRpm(new Uint8Array(readFileSync(path)), path)
      const entries = readChangelog(readMainHeader(file.headerBytes, path))
      const ours = entries.map(({ time, title, text }) => `${time}|${title}|${text}\n`).join('')
      expect(ours).toBe(run('rpm', '-qp', '--nosignature', '--qf', format, path))
      count += entries.length
    }
    expect(count).toBeGreaterThan(2)
  })

  it('rpm and fileSha256 read the same digests', () => {
    let compared = 0
    for (const path of paths) {
      const file = parseRpm(new Uint8Array(readFileSync(path)), path)
      const lines = run('rpm', '-qp', '--nosignature', '--qf', '[%{FILEDIGESTS} %{FILENAMES}\\n]', path).split('\n')
      for (const line of lines) {
        const [, digest, name = ''] = /^([0-9a-f]{64}) \/(.+)$/.exec(line) ?? []
        if (digest === undefined) continue
        expect(fileSha256(file, name)).toBe(digest)
        compared += 1
      }
    }
    expect(compared).toBeGreaterThan(5)
  })

  it('rpm and readCpio read the same files', () => {
    for (const path of paths) {
      const file = parseRpm(new Uint8Array(readFileSync(path)), path)
      const open = { gzip: gunzipSync, zstd: zstdDecompressSync, xz: unxz }
      const compressor = file.header.payloadCompressor
      if (compressor !== 'gzip' && compressor !== 'zstd' && compressor !== 'xz')
        throw new Error(`${compressor} of ${path}`)
      const ours = [...readCpio(open[compressor](file.payload), path)].map(
        entry => `${entry.path.slice(1)} ${entry.mode.toString(8)}`,
      )
      const theirs = run('rpm', '-qp', '--nosignature', '--qf', '[%{FILENAMES} %{FILEMODES:octal}\\n]', path)
      expect(ours.sort()).toEqual(
        theirs
          .split('\n')
          .filter(line => line !== '' && !line.startsWith('(none)'))
          .sort(),
      )
    }
  })

  it('rpm installs the files we write, and the headers of its database read the same', async () => {
    const database = join(directory, 'database')
    const rpm = ['--dbpath', database, '--define', '_db_backend sqlite']
    run('rpm', ...rpm, '--initdb')
    run(
      'rpm',
      ...rpm,
      '-i',
      '--justdb',
      '--nodeps',
      '--noscripts',
      '--nosignature',
      '--ignorearch',
      ...paths.slice(0, made.length),
    )
    const path = join(database, 'rpmdb.sqlite')
    const log = existsSync(`${path}-wal`) ? new Uint8Array(readFileSync(`${path}-wal`)) : undefined
    const bytes = { database: new Uint8Array(readFileSync(path)), writeAheadLog: log }
    const ours = (await readRpmDatabase(bytes, 'rpmdb.sqlite')).map(blob => {
      const { name, evr, arch, sourceRpm } = parseRpmHeader(blob, 'rpmdb.sqlite')
      return [name, evr.epoch, evr.version, evr.release, orNone(arch), orNone(sourceRpm)].join(' ')
    })
    const theirs = run(
      'rpm',
      ...rpm,
      '-qa',
      '--qf',
      '%{NAME} %{EPOCHNUM} %{VERSION} %{RELEASE} %{ARCH} %{SOURCERPM}\\n',
    )
    expect(ours).toHaveLength(made.length)
    expect(ours.sort()).toEqual(theirs.trimEnd().split('\n').sort())
  })
})
