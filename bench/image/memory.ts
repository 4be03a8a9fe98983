// Peak memory of `boot-files` on a large image and on images that are made to exhaust it (interface: 250 MB, 400 MB with a zstd window of 128 MiB).

import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directory, file, hardLink, makeTar, paxMember, rawMember, symlink } from '../../test/build/layer.ts'
import { largeImage } from './large-image.ts'
import { type ImageToWrite, type LayerToWrite, writeLargeLayout } from './layout.ts'
import { measure } from './measure.ts'

const mebibyte = 1 << 20
const zeros = new Uint8Array(mebibyte)
const noise = new Uint8Array(randomBytes(mebibyte))
const modules = 'usr/lib/modules/6.1'

interface Case {
  readonly name: string
  /** In MB of resident memory. */
  readonly ceiling: number
  readonly image: () => ImageToWrite
  /** Among those that the bench of readers measures too. */
  readonly short?: true
}

const layersOf = (compression: LayerToWrite['compression'], tars: readonly Iterable<Uint8Array>[]): ImageToWrite => ({
  layers: tars.map(tar => ({ tar, compression })),
})
const gzip = (...tars: readonly Iterable<Uint8Array>[]) => layersOf('gzip', tars)
const plain = (...tars: readonly Iterable<Uint8Array>[]) => layersOf('none', tars)
const numbered = (count: number, one: (index: number) => Uint8Array) =>
  function* () {
    for (let index = 0; index < count; index += 1) yield one(index)
  }
const entry = (one: Parameters<typeof makeTar>[0][number]) => makeTar([one], { endBlocks: 0 })

/** A file of many bytes: the header of an empty one, with another size. */
function* large(path: string, mebibytes: number, start = '', given = mebibytes): Generator<Uint8Array> {
  const size = (mebibytes * mebibyte).toString(8).padStart(11, '0')
  yield rawMember(path, '0', '', { edit: header => header.set(Buffer.from(size), 124) })
  for (let index = 0; index < given; index += 1) {
    if (index > 0 || start === '') yield start === '' ? zeros : noise
    else yield new Uint8Array(Buffer.concat([Buffer.from(start), noise.subarray(start.length)]))
  }
}

/** Bytes of which each MiB comes again after 100 MiB: they are packed well by a packer that looks as far back. */
function* noisy(path: string, mebibytes: number): Generator<Uint8Array> {
  yield rawMember(path, '0', '', {
    edit: header => header.set(Buffer.from((mebibytes * mebibyte).toString(8).padStart(11, '0')), 124),
  })
  for (let index = 0; index < mebibytes; index += 1)
    yield createHash('shake256', { outputLength: mebibyte })
      .update(`${index % 100}`)
      .digest()
}

const cases: readonly Case[] = [
  { name: 'an image of 1 GB in 50 layers, initramfs of 100 MB', ceiling: 250, image: () => largeImage(1000, 50) },
  {
    name: 'two layers of 2 GB zeros, gzip',
    ceiling: 250,
    image: () => gzip(large('opt/a', 2000), large('opt/b', 2000)),
  },
  {
    name: '2 GB zeros in a zstd frame with a window of 128 MiB',
    short: true,
    ceiling: 400,
    image: () => ({ layers: [{ tar: large('opt/a', 2000), compression: 'zstd', windowLog: 27 }] }),
  },
  {
    name: 'a layer of 400 MB, which has to be read, in a zstd frame with a window of 128 MiB',
    short: true,
    ceiling: 400,
    image: () => ({ layers: [{ tar: noisy('opt/a', 400), compression: 'zstd', windowLog: 27 }] }),
  },
  {
    name: 'two such layers',
    short: true,
    ceiling: 400,
    image: () => ({
      layers: ['a', 'b'].map(name => ({ tar: noisy(`opt/${name}`, 200), compression: 'zstd', windowLog: 27 })),
    }),
  },
  {
    name: 'an initramfs of 500 MB',
    short: true,
    ceiling: 250,
    image: () => plain(large(`${modules}/initramfs.img`, 500, '070701')),
  },
  {
    name: 'a unified kernel image of 400 MB',
    short: true,
    ceiling: 250,
    image: () => plain(large(`${modules}/a.efi`, 400, 'MZ')),
  },
  {
    name: 'four EFI programs of 400 MB',
    ceiling: 250,
    image: () => plain(...[1, 2, 3, 4].map(index => large(`usr/lib/efi/x/1/EFI/test/${index}.efi`, 400, 'MZ'))),
  },
  {
    name: 'objects of 30 MB that may be boot files, sixty',
    ceiling: 250,
    image: () =>
      plain(
        ...[0, 1, 2].map(part =>
          (function* () {
            for (let index = 0; index < 20; index += 1)
              yield* large(`sysroot/ostree/repo/objects/ab/${part * 100 + index}${'0'.repeat(60)}.file`, 30, 'MZ')
          })(),
        ),
      ),
  },
  {
    name: 'two million directories',
    short: true,
    ceiling: 250,
    image: () => gzip(numbered(2_000_000, index => entry(directory(`opt/${index}/`)))()),
  },
  {
    name: 'two million symbolic links',
    short: true,
    ceiling: 250,
    image: () => gzip(numbered(2_000_000, index => entry(symlink(`opt/${index}`, `target-${index}`)))()),
  },
  {
    name: 'two million files',
    ceiling: 250,
    image: () => gzip(numbered(2_000_000, index => entry(file(`opt/${index}`, '')))()),
  },
  {
    name: 'two million hard links to one file',
    ceiling: 250,
    image: () =>
      gzip(
        numbered(2_000_000, index => entry(index === 0 ? file('opt/one', 'x') : hardLink(`opt/${index}`, 'opt/one')))(),
      ),
  },
  {
    name: 'two million files in two hundred thousand directories',
    ceiling: 250,
    image: () =>
      gzip(
        numbered(2_000_000, index =>
          entry(file(`usr/share/component-${index % 7}/directory-${index % 200_000}/file-${index}`, '')),
        )(),
      ),
  },
  {
    name: 'a million modules',
    ceiling: 250,
    image: () => gzip(numbered(1_000_000, index => entry(file(`${modules}/kernel/${index}.ko`, '')))()),
  },
  {
    name: 'a million hard links to one boot file',
    ceiling: 250,
    image: () =>
      gzip(
        numbered(1_000_000, index =>
          entry(
            index === 0 ? file(`${modules}/vmlinuz`, 'MZ') : hardLink(`${modules}/${index}.efi`, `${modules}/vmlinuz`),
          ),
        )(),
      ),
  },
  {
    name: 'paths of 4 KB, a hundred thousand',
    ceiling: 250,
    image: () => gzip(numbered(100_000, index => entry(directory(`${modules}/${`${index}/`.repeat(500)}`)))()),
  },
  {
    name: 'pax headers of 1 MB, two hundred',
    ceiling: 250,
    image: () =>
      gzip(
        numbered(200, index =>
          Buffer.concat([paxMember([['comment', 'x'.repeat(1_000_000)]]), entry(file(`opt/${index}`, ''))]),
        )(),
      ),
  },
  {
    name: 'long names of 1 MB',
    ceiling: 250,
    image: () =>
      gzip(
        numbered(100, index =>
          Buffer.concat([
            rawMember('././@LongLink', 'L', `${'x'.repeat(1_000_000)}\0`, { dialect: 'gnu' }),
            entry(file(`opt/${index}`, '')),
          ]),
        )(),
      ),
  },
  {
    name: 'a header that promises 8 GB',
    ceiling: 250,
    image: () => gzip([entry(directory('opt/')), ...large(`${modules}/vmlinuz`, 8000, 'MZ', 2)]),
  },
]

/** The program that is measured: what users run. */
const program = join(import.meta.dirname, '../../dist/cli.js')
const wanted = process.argv.slice(2)

const scratch = mkdtempSync(join(tmpdir(), 'bench-memory-'))
process.stdout.write(
  '| image | plain MB | stored MB | answer | CPU s | peak MB | ceiling MB |\n|---|---|---|---|---|---|---|\n',
)
try {
  for (const { name, ceiling, image } of cases.filter(one =>
    wanted.every(word => (word === 'short' ? one.short : one.name.includes(word))),
  )) {
    const layout = join(scratch, 'layout')
    const { stored, plain } = await writeLargeLayout(layout, image())
    const words = [process.execPath, program, 'boot-files', '--image', `oci:${layout}:image`, '--cache=false', '--json']
    const { peak, cpu, stdout } = await measure(words)
    const { errors } = JSON.parse(stdout) as { errors?: readonly { code: string }[] }
    const answer = errors?.map(({ code }) => code).join(', ') ?? 'read'
    const megabytes = (bytes: number) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)
    process.stdout.write(
      `| ${name} | ${megabytes(plain)} | ${megabytes(stored)} | ${answer} | ${cpu.toFixed(1)} | ${peak.toFixed(0)} | ${ceiling} |${peak > ceiling ? ' too much' : ''}\n`,
    )
    if (peak > ceiling) process.exitCode = 1
    rmSync(layout, { recursive: true })
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
