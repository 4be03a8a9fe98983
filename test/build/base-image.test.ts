// The stand-in base and its rpm-ostree, without a container: what they leave in the image, right and wrong.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { assembleLayeredImage, makeBaseImage } from './base-image.ts'
import { makeKernelRpms } from './kernel-rpms.ts'
import { type LayerEntry, makeTar } from './layer.ts'
import { makeRpm } from './rpm.ts'
import { type StandInFault, standInFaults } from './stand-in/faults.ts'
import { RpmDatabase } from './stand-in/rpm-database.ts'

const seed = 'stand-in'
const release = '5.14.0-605.el9.x86_64'
const packages = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const directory = mkdtempSync(join(tmpdir(), 'stand-in-test-'))

afterAll(() => rmSync(directory, { recursive: true }))

/** Paths in the top layer, in a form without content. */
async function topOf(fault?: StandInFault): Promise<Map<string, Uint8Array>> {
  const base = await makeBaseImage({ seed, ...(fault === undefined ? {} : { fault }) })
  const image = assembleLayeredImage({ base, replace: packages })
  return filesOf(image.layers.at(-1)?.tar ?? new Uint8Array())
}

/** Reads back what `makeTar` wrote for short names. */
function filesOf(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  const text = (at: number, length: number) => Buffer.from(tar.subarray(at, at + length)).toString('latin1')
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 11), 8)
    files.set(text(at, 100).replace(/\0.*$/s, ''), tar.subarray(at + 512, at + 512 + size))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}

function databaseOf(files: Map<string, Uint8Array>): string[] {
  const path = join(directory, 'rpmdb.sqlite')
  writeFileSync(path, files.get('usr/share/rpm/rpmdb.sqlite') ?? new Uint8Array())
  const database = new RpmDatabase(path)
  const names = database.packages().map(({ name, version }) => `${name} ${version}`)
  database.close()
  return names.filter(name => name.startsWith('kernel')).sort()
}

const newKernel = packages.map(({ name }) => `${name} 5.14.0-605.el9`).sort()
const oldKernel = packages.map(({ name }) => `${name} 5.14.0-570.el9`).sort()
const modules = `usr/lib/modules/${release}`
const whiteout = 'usr/lib/modules/.wh.5.14.0-570.el9.x86_64'

describe('a layered image', () => {
  it('has the new kernel with its files, and not the old one', async () => {
    const top = await topOf()
    expect(top.has(whiteout)).toBe(true)
    for (const file of packages.flatMap(({ input }) => input.files ?? [])) {
      if (file.directory === true) continue
      const found = top.get(`usr${file.path}`)
      expect(Buffer.from(found ?? []).equals(Buffer.from(file.content ?? '')), file.path).toBe(true)
    }
    expect(top.get(`${modules}/initramfs.img`)?.length).toBeGreaterThan(1000)
    expect(databaseOf(top)).toEqual(newKernel)
  })

  it('is the same for the same seed and another for another', async () => {
    const digest = async (one: string) => (await makeBaseImage({ seed: one })).image.digest
    expect(await digest('a')).toBe(await digest('a'))
    expect(await digest('a')).not.toBe(await digest('b'))
  })

  it('gets packages that the base does not have', async () => {
    const base = await makeBaseImage({ seed })
    const input = { name: 'extra', version: '1', release: '2', files: [{ path: '/usr/bin/extra', content: 'extra' }] }
    const extra = { name: 'extra', file: 'extra-1-2.x86_64.rpm', input, bytes: makeRpm(input) }
    const image = assembleLayeredImage({ base, replace: packages, install: [extra] })
    expect(filesOf(image.layers.at(-1)?.tar ?? new Uint8Array()).has('usr/bin/extra')).toBe(true)
    expect(() => assembleLayeredImage({ base, replace: [extra] })).toThrow('no package extra')
    expect(() => assembleLayeredImage({ base, replace: packages, install: packages })).toThrow('already')
  })

  it('is not made of a package that is damaged', async () => {
    const base = await makeBaseImage({ seed })
    const damaged = packages.map(one => ({
      ...one,
      bytes: one.bytes.map((byte, at) => (at === one.bytes.length - 9 ? byte ^ 1 : byte)),
    }))
    expect(() => assembleLayeredImage({ base, replace: damaged })).toThrow('the payload of an RPM file is not the one')
  })
})

describe('a stand-in that does wrong', () => {
  const cases: Readonly<Record<StandInFault, (top: Map<string, Uint8Array>) => void>> = {
    fails: () => undefined,
    'prints-commands': top => expect(databaseOf(top)).toEqual(newKernel),
    'nothing-installed': top => expect([...top.keys()]).toEqual([]),
    'old-kernel-left': top => {
      expect(top.has(whiteout)).toBe(false)
      expect(top.has(`${modules}/vmlinuz`)).toBe(true)
    },
    'second-kernel': top => expect(top.has(`${modules}.second/vmlinuz`)).toBe(true),
    'empty-initramfs': top => expect(top.get(`${modules}/initramfs.img`)?.length).toBe(0),
    'no-initramfs': top => expect(top.has(`${modules}/initramfs.img`)).toBe(false),
    'initramfs-of-other-kernel': top => expect(top.get(`${modules}/initramfs.img`)?.length).toBeGreaterThan(1000),
    'old-rpmdb-entry': top => expect(databaseOf(top)).toEqual([...oldKernel, ...newKernel].sort()),
    'other-shim': top => expect(top.has('usr/lib/bootupd/updates/EFI/redhat/shimx64.efi')).toBe(true),
    'other-grub': top => expect(top.has('usr/lib/bootupd/updates/EFI/redhat/grubx64.efi')).toBe(true),
    'file-in-boot': top => expect([...top.keys()].some(path => path.startsWith('boot/'))).toBe(true),
    'kubelet-removed': top => expect(top.has('usr/bin/.wh.kubelet')).toBe(true),
    'kubelet-changed': top =>
      expect(
        Buffer.from(top.get('usr/share/rpm/rpmdb.sqlite') ?? []).includes('openshift-kubelet\x009.0\x001.el9'),
      ).toBe(true),
    'other-hmac': top =>
      expect(Buffer.from(top.get(`${modules}/.vmlinuz.hmac`) ?? []).toString()).toMatch(/^(?:ab){64} /),
    'modules-not-indexed': top => expect(top.has(`${modules}/modules.dep`)).toBe(false),
    'hmac-removed': top => expect(top.has(`${modules}/.vmlinuz.hmac`)).toBe(false),
  }

  it.each(Object.keys(standInFaults) as StandInFault[])('%s', async fault => {
    if (fault === 'fails') await expect(topOf(fault)).rejects.toThrow('cannot go on')
    else cases[fault](await topOf(fault))
  })
})

it('the reader of these tests reads what the writer writes', () => {
  const entry: LayerEntry = { type: 'file', path: 'a', content: Uint8Array.of(1, 2) }
  expect([...filesOf(makeTar([entry]))]).toEqual([['a', Uint8Array.of(1, 2)]])
})
