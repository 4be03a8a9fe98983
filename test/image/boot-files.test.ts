// Where boot files are found, and what is refused: several kernels, several vendors, unified kernel images.

import { describe, expect, it } from 'vitest'
import { type FoundBootFiles, findBootFiles } from '../../src/image/boot-files.ts'
import { type BootChainWord, filesForChain } from '../../src/image/chain-files.ts'
import { ImageTree } from '../../src/image/image-tree.ts'
import { KnownPlaces } from '../../src/image/layer-path.ts'
import { scanLayer } from '../../src/image/layers.ts'
import { parseOsRelease } from '../../src/image/os-release.ts'
import { knownRoots } from '../../src/image/places.ts'
import { file, type LayerEntry, makeTar, sha256 } from '../build/layer.ts'
import { makeSystemdProgram, makeUki } from '../build/uki.ts'

async function find(entries: readonly LayerEntry[], architecture?: string): Promise<FoundBootFiles> {
  const tar = makeTar(entries)
  const places = new KnownPlaces(knownRoots)
  async function* bytes() {
    yield tar
  }
  const layer = await scanLayer(bytes(), sha256(tar), 'image', { places, contents: new Set() })
  return findBootFiles(new ImageTree([layer], places, 'image'), 'image', architecture)
}

const kernel = (release: string) => file(`usr/lib/modules/${release}/vmlinuz`, `MZ ${release}`)
const updates = 'usr/lib/bootupd/updates/EFI'
const loaders = (top: string, vendor: string, text = 'old') => [
  file(`${top}/${vendor}/shimx64.efi`, `MZ shim ${text}`),
  file(`${top}/${vendor}/grubx64.efi`, `MZ grub ${text}`),
]
const codes = (found: FoundBootFiles) => filesForChain(found).problems.map(one => one.code)
const paths = (found: FoundBootFiles) => Object.fromEntries(filesForChain(found).files.map(one => [one.role, one.path]))
const all = (found: FoundBootFiles, role: string) => found.files.filter(one => one.role === role).map(one => one.path)

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
    expect(filesForChain(found).problems[0]?.found).toBe(`${updates}/centos/shimx64.efi, ${updates}/fedora/shimx64.efi`)
  })
})

describe('what EFI/BOOT has', () => {
  const [shim, grub] = loaders(updates, 'test') as [LayerEntry, LayerEntry]
  const boot = (name: string, text: string) => file(`${updates}/BOOT/${name}`, text)

  it('is taken when it is byte for byte what the chain loads', async () => {
    const copies = [boot('bootx64.EFI', 'MZ shim old'), boot('grubx64.efi', 'MZ grub old'), boot('fbx64.efi', 'MZ')]
    expect(codes(await find([shim, grub, kernel('6.1'), ...copies, boot('BOOTAA64.EFI', 'MZ other')]))).toEqual([])
  })

  it.each([
    ['BOOTX64.EFI', 'shimx64.efi'],
    ['shimx64.efi', 'shimx64.efi'],
    ['grubx64.efi', 'grubx64.efi'],
  ])('is refused when it is another file: %s', async (name, original) => {
    const entries = [shim, grub, kernel('6.1'), boot(name, 'MZ other')]
    const found = await find(entries)
    expect(codes(found)).toEqual(['BOOT_LOADER_NOT_UNIQUE'])
    expect(filesForChain(found).problems[0]?.found).toBe(`${updates}/test/${original}, ${updates}/BOOT/${name}`)
    expect(filesForChain(found, 'shim-grub-linux').problems).toHaveLength(1)
  })

  it('in usr/lib/efi too, and a shim before systemd-boot or a UKI', async () => {
    const entries = [
      file('usr/lib/efi/shim/15.8-3/EFI/fedora/shimx64.efi', 'MZ new'),
      file('usr/lib/efi/shim/15.8-3/EFI/BOOT/BOOTX64.EFI', 'MZ old'),
      file('usr/lib/efi/grub2/1:2.12-40/EFI/fedora/grubx64.efi', 'MZ new'),
    ]
    expect(codes(await find([kernel('6.1'), ...entries]))).toEqual(['BOOT_LOADER_NOT_UNIQUE'])
    const program = makeSystemdProgram({ program: 'systemd-boot', version: '257.1', sections: [] })
    const [systemdBoot, linux] = [
      file(`${updates}/systemd/systemd-bootx64.efi`, program),
      file(`${modules}/a.efi`, uki),
    ]
    expect(codes(await find([systemdBoot, linux, boot('BOOTX64.EFI', 'MZ shim')]))).toEqual(['BOOT_LOADER_NOT_UNIQUE'])
    expect(codes(await find([linux, boot('BOOTX64.EFI', 'MZ shim')]))).toEqual(['BOOT_LOADER_NOT_UNIQUE'])
  })

  it('may be another file of the image when the chain is named', async () => {
    const found = await find([
      shim,
      grub,
      kernel('6.1'),
      file(`${modules}/a.efi`, uki),
      boot('BOOTX64.EFI', 'MZ shim old'),
    ])
    expect(filesForChain(found, 'uki').problems).toEqual([])
    expect(filesForChain(found, 'grub-linux').problems).toEqual([])
  })
})

describe('kernels', () => {
  const rest = loaders(updates, 'test')

  it('one is found, left-over modules do not count', async () => {
    const found = await find([...rest, kernel('6.1'), file('usr/lib/modules/6.0/modules.dep', '')])
    expect(filesForChain(found).kernelRelease).toBe('6.1')
    expect(paths(found).initramfs).toBeUndefined()
  })

  it('none and several are refused', async () => {
    expect(codes(await find([...rest, file('usr/lib/modules/6.0/modules.dep', '')]))).toEqual(['KERNEL_MISSING'])
    const found = await find([...rest, kernel('6.1'), kernel('6.2')])
    expect(codes(found)).toEqual(['KERNEL_NOT_UNIQUE'])
    expect(filesForChain(found).kernelRelease).toBeNull()
    expect(filesForChain(found).problems[0]?.found).toBe('6.1, 6.2')
  })

  it('all problems come together', async () => {
    expect(codes(await find([]))).toEqual(['BOOT_LOADER_MISSING', 'BOOT_LOADER_MISSING', 'KERNEL_MISSING'])
  })
})

const uki = makeUki({ seed: 'a' })
const modules = 'usr/lib/modules/6.1'

describe('unified kernel images', () => {
  it.each([`${modules}/linux.efi`, 'boot/EFI/Linux/a.efi', 'usr/lib/efi/uki/1/EFI/Linux/b.EFI'])(
    'are found: %s',
    async path => {
      const found = await find([file(path, uki)])
      expect(codes(found)).toEqual([])
      expect(filesForChain(found).bootChain).toBe('uki')
      expect(paths(found)).toEqual({ uki: path })
      expect(filesForChain(found).kernelRelease).toBe(path.startsWith(modules) ? '6.1' : null)
    },
  )

  it('are only files with a kernel inside; what cannot be read counts', async () => {
    const addon = makeSystemdProgram({ program: 'systemd-addon', version: '257', sections: [] })
    const found = await find([
      ...loaders(updates, 'test'),
      kernel('6.1'),
      file(`${modules}/tool.efi`, addon),
      file('boot/EFI/Linux/x.addon.efi', uki),
      file('boot/EFI/other/y.efi', uki),
    ])
    expect(all(found, 'uki')).toEqual([])
    expect(filesForChain(found).bootChain).toBe('shim-grub-linux')
    const broken = await find([
      ...loaders(updates, 'test'),
      kernel('6.1'),
      file(`${modules}/cut.efi`, uki.subarray(0, 200)),
    ])
    expect(all(broken, 'uki')).toEqual([`${modules}/cut.efi`])
  })

  it('with a boot loader make a chain of their own', async () => {
    const [shim] = loaders(updates, 'test') as [LayerEntry, LayerEntry]
    const entries = [file(`${modules}/linux.efi`, uki), kernel('6.1')]
    expect(filesForChain(await find([...entries, shim])).bootChain).toBe('shim-uki')
    const systemdBoot = makeSystemdProgram({ program: 'systemd-boot', version: '257.1', sections: [] })
    const found = await find([
      ...entries,
      file(`${updates}/BOOT/BOOTX64.EFI`, systemdBoot),
      file(`${updates}/systemd/systemd-bootx64.efi`, systemdBoot),
    ])
    expect(codes(found)).toEqual([])
    expect(filesForChain(found).bootChain).toBe('systemd-boot-uki')
    expect(paths(found)).toEqual({
      'systemd-boot': `${updates}/systemd/systemd-bootx64.efi`,
      uki: `${modules}/linux.efi`,
    })
  })

  it('shim as BOOTX64.EFI is no systemd-boot', async () => {
    const found = await find([
      ...loaders(updates, 'test'),
      kernel('6.1'),
      file(`${updates}/BOOT/BOOTX64.EFI`, 'MZ shim old'),
    ])
    expect(all(found, 'systemd-boot')).toEqual([])
    expect(codes(found)).toEqual([])
  })

  it('beside GRUB, or two of them, are refused with the list, unless the chain is named', async () => {
    const both = await find([...loaders(updates, 'test'), kernel('6.1'), file(`${modules}/linux.efi`, uki)])
    expect(codes(both)).toEqual(['BOOT_CHAIN_UNCLEAR'])
    expect(filesForChain(both).problems[0]?.found).toBe(
      [
        `shim ${updates}/test/shimx64.efi`,
        `grub ${updates}/test/grubx64.efi`,
        `kernel ${modules}/vmlinuz`,
        `uki ${modules}/linux.efi`,
      ].join(', '),
    )
    const rolesOf = (chain: BootChainWord) => filesForChain(both, chain).files.map(({ role }) => role)
    expect(rolesOf('shim-grub-linux')).toEqual(['shim', 'grub', 'kernel'])
    expect(rolesOf('shim-uki')).toEqual(['shim', 'uki'])
    expect(rolesOf('uki')).toEqual(['uki'])
    expect(filesForChain(both, 'systemd-boot-uki').problems.map(({ code }) => code)).toEqual(['BOOT_LOADER_MISSING'])

    const two = await find([file(`${modules}/linux.efi`, uki), file('boot/EFI/Linux/b.efi', makeUki({ seed: 'b' }))])
    expect(codes(two)).toEqual(['KERNEL_NOT_UNIQUE'])
    expect(filesForChain(two, 'uki').problems.map(({ code }) => code)).toEqual(['KERNEL_NOT_UNIQUE'])
    const other = await find([file(`${modules}/linux.efi`, uki), kernel('6.2')])
    expect(codes(other)).toEqual(['KERNEL_NOT_UNIQUE'])
    expect(filesForChain(other, 'uki').problems).toEqual([])
  })

  it.each([
    ['k+3.efi', 'boot/EFI/Linux/k.efi.extra.d/a.addon.efi'],
    ['k+3-1.efi', 'boot/EFI/Linux/k.efi.extra.d/a.raw'],
    ['k+3.efi', 'boot/EFI/Linux/k+3.efi.extra.d/a.cred'],
    ['k.efi', 'boot/EFI/Linux/K.EFI.EXTRA.D/A.ADDON.EFI'],
    ['k.efi', 'boot/LOADER/Addons/a.addon.efi'],
  ])('with files that the stub loads by another name are refused: %s, %s', async (name, path) => {
    const found = await find([file(`boot/EFI/Linux/${name}`, uki), file(path, 'MZ')])
    expect(found.companions).toEqual([path])
    expect(codes(found)).toEqual(['UKI_NOT_PREDICTED'])
  })

  it('are found below directories of any case, and what lies beside other names is left aside', async () => {
    const others = ['k+x.efi.extra.d', 'k2.efi.extra.d', 'k.efi'].map(name => file(`boot/efi/LINUX/${name}/a.raw`, ''))
    const found = await find([file('boot/efi/LINUX/k+x.2.efi', uki), ...others])
    expect(paths(found)).toEqual({ uki: 'boot/efi/LINUX/k+x.2.efi' })
    expect([found.companions, codes(found)]).toEqual([[], []])
  })

  it('of a stub that takes .linuxx for the kernel are not overlooked', async () => {
    const prefixed = makeUki({ seed: 'a', version: '252', only: [{ name: '.linuxx', data: uki.subarray(0, 99) }] })
    expect(codes(await find([...loaders(updates, 'test'), kernel('6.1'), file(`${modules}/x.efi`, prefixed)]))).toEqual(
      ['BOOT_CHAIN_UNCLEAR'],
    )
  })

  it('with files that the stub loads besides are refused with the list', async () => {
    const names = [
      'boot/EFI/Linux/a.efi.extra.d/debug.addon.efi',
      'boot/loader/addons/all.addon.efi',
      'boot/loader/credentials/x.cred',
    ]
    const found = await find([file('boot/EFI/Linux/a.efi', uki), ...names.map(name => file(name, 'MZ'))])
    expect(codes(found)).toEqual(['UKI_NOT_PREDICTED'])
    expect(filesForChain(found).problems[0]?.found).toBe(names.join(', '))
  })
})

it('boot loaders of another architecture have names of their own', async () => {
  const arm = [
    kernel('6.1'),
    file(`${updates}/test/shimaa64.efi`, 'MZ'),
    file(`${updates}/test/grubaa64.efi`, 'MZ'),
    file(`${updates}/test/mmaa64.efi`, 'MZ'),
    file(`${updates}/BOOT/fbaa64.efi`, 'MZ'),
  ]
  const found = await find([...arm, ...loaders(updates, 'test')], 'arm64')
  expect(codes(found)).toEqual([])
  expect(paths(found)).toMatchObject({
    shim: `${updates}/test/shimaa64.efi`,
    grub: `${updates}/test/grubaa64.efi`,
    'mok-manager': `${updates}/test/mmaa64.efi`,
    fallback: `${updates}/BOOT/fbaa64.efi`,
  })
  expect(codes(await find(arm))).toEqual(['BOOT_LOADER_MISSING', 'BOOT_LOADER_MISSING'])
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
  expect(performance.now() - begun).toBeLessThan(5000)
})
