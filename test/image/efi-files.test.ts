// EFI programs below the three directories, through links, in circles, and too many of them.

import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { findEfiFiles } from '../../src/image/efi-files.ts'
import { ImageTree } from '../../src/image/image-tree.ts'
import { KnownPlaces } from '../../src/image/layer-path.ts'
import { scanLayer } from '../../src/image/layers.ts'
import { knownRoots } from '../../src/image/places.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, type LayerEntry, makeTar, sha256, symlink, whiteout } from '../build/layer.ts'

async function find(...layers: readonly (readonly LayerEntry[])[]): Promise<ReadonlyMap<string, string>> {
  const places = new KnownPlaces(knownRoots)
  const scan = async (entries: readonly LayerEntry[]) => {
    const tar = makeTar(entries)
    async function* bytes() {
      yield tar
    }
    return await scanLayer(bytes(), sha256(tar), 'image', { places, contents: new Set() })
  }
  return findEfiFiles(new ImageTree(await Promise.all(layers.map(scan)), places, 'image'), 'image')
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
const updates = 'usr/lib/bootupd/updates'
const [shim, next, older] = [`${updates}/EFI/test/shimx64.efi`, 'usr/lib/efi/shim/1-1/EFI/BOOT/BOOTX64.EFI', 'x.Efi']

it('are found at any depth and in any case, none but those', async () => {
  const found = await find([
    file(shim, 'shim'),
    file(`${updates}/direct.efi`, 'direct'),
    file(next, 'boot'),
    file(`usr/lib/ostree-boot/efi/EFI/test/${older}`, 'old'),
    file(`${updates}/EFI.json`, '{}'),
    file('boot/efi/EFI/test/shimx64.efi', 'elsewhere'),
  ])
  expect(Object.fromEntries(found)).toEqual({
    [shim]: hash('shim'),
    [`${updates}/direct.efi`]: hash('direct'),
    [next]: hash('boot'),
    [`usr/lib/ostree-boot/efi/EFI/test/${older}`]: hash('old'),
  })
  expect((await find([])).size).toBe(0)
})

it('follow upper layers and links, and end where links go back', async () => {
  const lower = [file(shim, 'shim'), file(`${updates}/EFI/test/gone.efi`, 'gone')]
  const upper = [
    whiteout(`${updates}/EFI/test/gone.efi`),
    symlink(`${updates}/EFI/test/other.efi`, 'shimx64.efi'),
    symlink(`${updates}/EFI/test/dangling.efi`, 'nothing'),
    symlink(`${updates}/EFI/test/circle`, '..'),
    symlink('usr/lib/efi', 'bootupd/updates/EFI'),
  ]
  const found = await find(lower, upper)
  expect(new Set(found.values())).toEqual(new Set([hash('shim')]))
  for (const path of [shim, `${updates}/EFI/test/other.efi`, 'usr/lib/efi/test/shimx64.efi'])
    expect([...found.keys()]).toContain(path)
  expect(found.size).toBe(4)
})

it('too many are refused', async () => {
  const many = Array.from({ length: 10_001 }, (_, index) => file(`${updates}/${index}`, ''))
  await expectToolError('CEILING_REACHED', find(many))
})
