// Where boot files are found, and what is refused: several kernels, several vendors, unified kernel images.

import { describe, expect, it } from 'vitest'
import { type FoundBootFiles, findBootFiles } from '../../src/image/boot-files.ts'
import { ImageTree } from '../../src/image/image-tree.ts'
import { KnownPlaces } from '../../src/image/layer-path.ts'
import { scanLayer } from '../../src/image/layers.ts'
import { parseOsRelease } from '../../src/image/os-release.ts'
import { knownRoots } from '../../src/image/places.ts'
import { file, type LayerEntry, makeTar, sha256 } from '../build/layer.ts'

async function find(entries: readonly LayerEntry[]): Promise<FoundBootFiles> {
  const tar = makeTar(entries)
  const places = new KnownPlaces(knownRoots)
  async function* bytes() {
    yield tar
  }
  const layer = await scanLayer(bytes(), sha256(tar), 'image', { places, contents: new Set() })
  return findBootFiles(new ImageTree([layer], places, 'image'), 'image')
}

const kernel = (release: string) => file(`usr/lib/modules/${release}/vmlinuz`, `MZ ${release}`)
const updates = 'usr/lib/bootupd/updates/EFI'
const loaders = (top: string, vendor: string, text = 'old') => [
  file(`${top}/${vendor}/shimx64.efi`, `MZ shim ${text}`),
  file(`${top}/${vendor}/grubx64.efi`, `MZ grub ${text}`),
]
const codes = (found: FoundBootFiles) => found.problems.map(one => one.code)
const paths = (found: FoundBootFiles) => Object.fromEntries(found.files.map(one => [one.role, one.path]))

describe('boot loaders', () => {
  it('of usr/lib/efi win over those of bootupd/updates', async () => {
    const found = await find([
      kernel('6.1'),
      ...loaders(updates, 'fedora'),
      file('usr/lib/efi/shim/15.8-3/EFI/fedora/shimx64.efi', 'MZ new'),
      file('usr/lib/efi/shim/15.8-3/EFI/BOOT/fbx64.efi', 'MZ fallback'),
      file('usr/lib/efi/grub2/1:2.12-40/EFI/fedora/grubx64.efi', 'MZ new'),
    ])
    expect(codes(found)).toEqual([])
    expect(paths(found)).toMatchObject({
      shim: 'usr/lib/efi/shim/15.8-3/EFI/fedora/shimx64.efi',
      grub: 'usr/lib/efi/grub2/1:2.12-40/EFI/fedora/grubx64.efi',
      fallback: 'usr/lib/efi/shim/15.8-3/EFI/BOOT/fbx64.efi',
    })
  })

  it('of bootupd/updates count when usr/lib/efi has no EFI directory', async () => {
    const found = await find([kernel('6.1'), ...loaders(updates, 'fedora'), file('usr/lib/efi/shim/15.8-3/README', '')])
    expect(paths(found)).toMatchObject({ shim: `${updates}/fedora/shimx64.efi` })
  })

  it('of the newest version count, by the order of rpm', async () => {
    const found = await find([
      kernel('6.1'),
      ...['15.8-3', '15.10-1', '15.9-1'].flatMap(version => loaders(`usr/lib/efi/all/${version}/EFI`, 'test')),
    ])
    expect(codes(found)).toEqual([])
    expect(paths(found).shim).toBe('usr/lib/efi/all/15.10-1/EFI/test/shimx64.efi')
  })

  it('are missed one by one', async () => {
    expect(codes(await find([kernel('6.1')]))).toEqual(['BOOT_LOADER_MISSING', 'BOOT_LOADER_MISSING'])
    const [shim] = loaders(updates, 'test')
    expect(codes(await find([kernel('6.1'), shim as LayerEntry]))).toEqual(['BOOT_LOADER_MISSING'])
    const removable = await find([kernel('6.1'), ...loaders(updates, 'BOOT')])
    expect(codes(removable)).toEqual(['BOOT_LOADER_MISSING', 'BOOT_LOADER_MISSING'])
  })

  it('of several vendors are refused', async () => {
    const found = await find([kernel('6.1'), ...loaders(updates, 'fedora'), ...loaders(updates, 'centos')])
    expect(codes(found)).toEqual(['BOOT_LOADER_NOT_UNIQUE', 'BOOT_LOADER_NOT_UNIQUE'])
    expect(found.problems[0]?.found).toBe(`${updates}/centos/shimx64.efi, ${updates}/fedora/shimx64.efi`)
  })
})

describe('kernels', () => {
  const rest = loaders(updates, 'test')

  it('one is found, left-over modules do not count', async () => {
    const found = await find([...rest, kernel('6.1'), file('usr/lib/modules/6.0/modules.dep', '')])
    expect(found.kernelRelease).toBe('6.1')
    expect(paths(found).initramfs).toBeUndefined()
  })

  it('none and several are refused', async () => {
    expect(codes(await find([...rest, file('usr/lib/modules/6.0/modules.dep', '')]))).toEqual(['KERNEL_MISSING'])
    const found = await find([...rest, kernel('6.1'), kernel('6.2')])
    expect(codes(found)).toEqual(['KERNEL_NOT_UNIQUE'])
    expect(found.kernelRelease).toBeNull()
    expect(found.problems[0]?.found).toBe('6.1, 6.2')
  })

  it.each(['usr/lib/modules/6.1/linux.efi', 'boot/EFI/Linux/a.efi', 'usr/lib/efi/uki/1/EFI/Linux/b.EFI'])(
    'a unified kernel image is refused: %s',
    async path => {
      const found = await find([...rest, kernel('6.1'), file(path, 'MZ')])
      expect(codes(found)).toContain('UKI_NOT_SUPPORTED')
    },
  )

  it('addons are no unified kernel images', async () => {
    expect(codes(await find([...rest, kernel('6.1'), file('boot/EFI/Linux/x.addon.efi', 'MZ')]))).toEqual([])
  })

  it('all problems come together', async () => {
    expect(codes(await find([]))).toEqual(['BOOT_LOADER_MISSING', 'BOOT_LOADER_MISSING', 'KERNEL_MISSING'])
  })
})

it.each([
  ['ID=fedora\nVERSION_ID=44\n', 'fedora', '44'],
  ['# ID=no\nID="rhel"\n VERSION_ID=\'9.6\' \n', 'rhel', '9.6'],
  ['ID="a\\"b"\nID_LIKE=x', 'a"b', null],
  ['ID=\n', null, null],
  ['', null, null],
])('os-release %j', (text, id, versionId) => {
  expect(parseOsRelease(new TextEncoder().encode(text))).toEqual({ id, versionId })
})

it('os-release of long lines takes no long time', () => {
  const begun = performance.now()
  const text = `ID=${' '.repeat(60_000)}x\nVERSION_ID="1"\n`
  expect(parseOsRelease(new TextEncoder().encode(text))).toEqual({ id: null, versionId: '1' })
  expect(performance.now() - begun).toBeLessThan(500)
})
