import { describe, expect, it } from 'vitest'
import { guids } from '../../../src/formats/efi/guid.ts'
import { formatSignatureLists, sha256List } from '../../../src/formats/efi/signature-list.ts'
import { parsePlatform } from '../../../src/predict/platform/platform.ts'
import { isProfileFile } from '../../../src/predict/platform/profile-files.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'
import { efivar, keyLists, profile, withAttributes } from '../../build/profile.ts'

const otherLists = formatSignatureLists([sha256List(guids.shimLock, new Uint8Array(32).fill(7))])
const empty = new Uint8Array(0)
const level = 'sbat,1,2024010900\nshim,4\n'
type Files = Readonly<Record<string, Uint8Array | string>>
const read = (files: Files, name?: string) => parsePlatform([profile('profiles/node', files)], name)

describe('a platform profile', () => {
  it('takes attribute bytes off names with a GUID only', () => {
    const files = {
      [efivar.global('PK')]: withAttributes(keyLists),
      KEK: keyLists,
      [efivar.security('db')]: withAttributes(keyLists),
      [efivar.security('dbx')]: withAttributes(empty),
      [efivar.security('dbt')]: withAttributes(otherLists),
      [efivar.shim('MokListRT')]: withAttributes(otherLists, 6),
      MokSBStateRT: Uint8Array.of(1),
      MokPolicyRT: Uint8Array.of(2),
      MokIgnoreDB: Uint8Array.of(1),
      SbatLevelRT: level,
      [efivar.global('SecureBoot')]: withAttributes(Uint8Array.of(1), 6),
      'eventlog.bin': Uint8Array.of(9),
    }
    const { profileSha256, ...platform } = read(files)
    expect(profileSha256).toMatch(/^[0-9a-f]{64}$/)
    expect(platform).toEqual({
      name: 'node',
      architecture: undefined,
      secureBoot: true,
      keys: { PK: keyLists, KEK: keyLists, db: keyLists, dbx: empty, dbt: otherLists },
      mok: {
        list: otherLists,
        listX: undefined,
        trusted: undefined,
        sbState: Uint8Array.of(1),
        policy: Uint8Array.of(2),
        ignoreDb: true,
      },
      sbatLevel: level,
      grubMeasuresKernel: undefined,
      measurement: 'tpm',
      banks: undefined,
      quirks: [],
      eventLog: Uint8Array.of(9),
      notes: [],
    })
  })

  it('of no files is one of a machine without keys', () => {
    const { keys, mok, secureBoot } = read({})
    expect(keys).toEqual({ PK: empty, KEK: empty, db: empty, dbx: empty, dbt: undefined })
    expect([secureBoot, mok.list, mok.ignoreDb]).toEqual([undefined, undefined, false])
  })

  it.each([
    'certdb-d9bee56e-75dc-49d9-b4d7-b534210f637a',
    `dbDefault-${guids.globalVariable}`,
    `db-${guids.globalVariable}`,
    `PK-${guids.shimLock}`,
    'dbt',
    'PK-',
    'PK.bin',
    'pk',
    'Boot0000',
    'SbatLevelRT-1',
    '__proto__',
    'constructor',
    'README',
  ])('ignores %s', name => {
    expect(isProfileFile(name)).toBe(false)
    expect(read({ [name]: 'anything' }).profileSha256).toBe(read({}).profileSha256)
  })

  it('has one hash, however its files are laid out, and another for other contents', () => {
    const one = read({ db: keyLists, PK: keyLists, SbatLevelRT: level })
    const split = parsePlatform([
      profile('a/efivars', { [efivar.security('db')]: withAttributes(keyLists) }),
      profile('b', { [efivar.global('PK')]: withAttributes(keyLists, 0x07), db: keyLists, SbatLevelRT: level }),
    ])
    expect(split.profileSha256).toBe(one.profileSha256)
    const hashes = [
      one,
      read({ db: keyLists, PK: keyLists }),
      read({ db: otherLists, PK: keyLists, SbatLevelRT: level }),
      read({ dbx: keyLists, PK: keyLists, SbatLevelRT: level }),
      read({ db: keyLists, PK: keyLists, SbatLevelRT: level, 'platform.yaml': 'arch: amd64' }),
      read({ db: keyLists, PK: keyLists, SbatLevelRT: level, 'eventlog.bin': empty }),
    ].map(({ profileSha256 }) => profileSha256)
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  it('refuses two different contents for one name, and takes equal ones', () => {
    const directories = (second: Uint8Array) => [
      profile('efivars', { [efivar.security('db')]: withAttributes(keyLists) }),
      profile('mok-variables', { db: second }),
    ]
    expect(parsePlatform(directories(keyLists), 'both').keys.db).toEqual(keyLists)
    const fault = faultOf(() => parsePlatform(directories(otherLists), 'both'))
    expect(fault.code).toBe('PLATFORM_INVALID')
    expect(fault.message).toBe('a platform profile has two different contents for db')
    expect(fault.where.source).toBe('mok-variables/db')
    expect(fault.found).toContain(`efivars/${efivar.security('db')}`)
    expect(faultOf(() => read({ db: empty, [efivar.security('db')]: withAttributes(keyLists) })).code).toBe(
      'PLATFORM_INVALID',
    )
    const logs = [profile('a', { 'eventlog.bin': 'one' }), profile('b', { 'eventlog.bin': 'two' })]
    expect(faultOf(() => parsePlatform(logs)).message).toContain('eventlog.bin')
  })

  it('uses the bare MokListRT where efivarfs shows pieces, and refuses pieces alone', () => {
    const pieces = {
      [efivar.shim('MokListRT')]: withAttributes(keyLists, 6),
      [efivar.shim('MokListRT1')]: withAttributes(otherLists, 6),
    }
    const whole = new Uint8Array(Buffer.concat([keyLists, otherLists]))
    expect(read({ ...pieces, MokListRT: whole }).mok.list).toEqual(whole)
    const fault = faultOf(() => read(pieces))
    expect([fault.code, fault.message, fault.where.source]).toEqual([
      'PLATFORM_INVALID',
      'MokListRT of a platform profile is there in pieces only',
      `profiles/node/${efivar.shim('MokListRT1')}`,
    ])
    const listX = { [efivar.shim('MokListXRT1')]: withAttributes(otherLists, 6) }
    expect(faultOf(() => read({ ...listX, ...pieces, MokListRT: whole })).message).toContain('MokListXRT')
  })

  it.each([
    ['attribute bytes that are cut', { [efivar.global('PK')]: Uint8Array.of(1, 2, 3) }, 'PK'],
    ['keys that are no signature lists', { db: 'not a list of signatures, but long enough' }, 'db'],
    ['a MokListRT that is cut', { MokListRT: keyLists.subarray(0, 100) }, 'MokListRT'],
    ['a SecureBoot of two bytes', { SecureBoot: Uint8Array.of(1, 0) }, 'SecureBoot'],
    ['a SecureBoot of 2', { SecureBoot: Uint8Array.of(2) }, 'SecureBoot'],
    ['an empty SetupMode', { SetupMode: empty }, 'SetupMode'],
    ['a level that is none', { SbatLevelRT: 'shim,4\n' }, 'SbatLevelRT'],
  ] satisfies [string, Files, string][])('refuses %s', (_, files, name) => {
    const fault = faultOf(() => read(files))
    expect(fault.code).toBe('PLATFORM_INVALID')
    expect(fault.where.source).toMatch(new RegExp(`^profiles/node/${name}`))
  })

  it('damaged keys are refused or read, nothing else', () => {
    const lists = new Uint8Array(Buffer.concat([otherLists, keyLists]))
    for (const cut of cuts(lists))
      expect(outcome(() => read({ db: cut }))).toBe(
        [0, otherLists.length].includes(cut.length) ? 'read' : 'PLATFORM_INVALID',
      )
    for (const { bytes } of flips(lists))
      expect(['PLATFORM_INVALID', 'read']).toContain(outcome(() => read({ db: bytes })))
  })

  it('says what contradicts itself', () => {
    const files = { PK: keyLists, SetupMode: Uint8Array.of(1), SecureBoot: Uint8Array.of(1) }
    expect(read({ ...files, 'platform.yaml': 'secureBoot: off' }).notes).toEqual([
      'platform.yaml says Secure Boot off, the variable SecureBoot says on',
      'the variable SetupMode is 1, but PK is set',
    ])
    expect(read({ SetupMode: Uint8Array.of(0) }).notes).toEqual(['the variable SetupMode is 0, but PK is not set'])
  })
})

describe('the name of a platform', () => {
  const named = (path: string, absolute?: string) => parsePlatform([profile(path, {}, absolute)]).name

  it.each([
    ['profiles/dell-r760', 'dell-r760'],
    ['profiles/dell-r760/', 'dell-r760'],
    ['./boots/grub-sb/efivars', 'grub-sb'],
    ['/boots/grub-sb/efivars/', 'grub-sb'],
    ['efivars', 'efivars'],
  ])('of %s is %s', (path, name) => expect(named(path)).toBe(name))

  it('comes from the whole path where that is known', () => {
    expect(named('efivars', '/srv/qemu/efivars')).toBe('qemu')
    expect(named('.', '/srv/qemu')).toBe('qemu')
  })

  it('is the given one, then that of platform.yaml, then all directories', () => {
    const yaml = { 'platform.yaml': 'name: by-yaml' }
    expect(read(yaml, 'given').name).toBe('given')
    expect(read(yaml).name).toBe('by-yaml')
    const both = (left: string, right: string) => parsePlatform([profile(left, {}), profile(right, {})]).name
    expect(both('efivars/qemu-ovmf/fedora-42', 'mok-variables/fedora-42')).toBe('fedora-42')
    expect(both('node/efivars', 'node/mok-variables')).toBe('node+mok-variables')
  })

  it.each(['.', '/', 'a b', 'x'.repeat(101), 'café', '-x'])('cannot be %j', path => {
    const fault = faultOf(() => named(path))
    expect([fault.code, fault.where.source]).toEqual(['PLATFORM_INVALID', path])
  })
})

describe('platform.yaml', () => {
  const yaml = (text: string) => read({ 'platform.yaml': text })

  it('says what variables do not', () => {
    const text = [
      'name: azure-cvm',
      'arch: arm64',
      'secureBoot: true',
      'banks: [sha256, sha384]',
      'measurement: tdx',
      'sbatLevel: |',
      '  sbat,1,2024010900',
      '  shim,4',
      'grubMeasuresKernel: 2',
      'quirks: []',
    ].join('\n')
    expect(yaml(text)).toMatchObject({
      name: 'azure-cvm',
      architecture: 'arm64',
      secureBoot: true,
      banks: ['sha256', 'sha384'],
      measurement: 'tdx',
      sbatLevel: level,
      grubMeasuresKernel: 2,
      quirks: [],
    })
    expect(yaml('').measurement).toBe('tpm')
    expect(yaml('# nothing\n').secureBoot).toBeUndefined()
  })

  it('wins over SbatLevelRT and SecureBoot', () => {
    const platform = read({
      'platform.yaml': 'sbatLevel: sbat,1,2021030218\nsecureBoot: off',
      SbatLevelRT: level,
      SecureBoot: Uint8Array.of(1),
    })
    expect([platform.sbatLevel, platform.secureBoot]).toEqual(['sbat,1,2021030218\n', false])
  })

  it.each([
    ['secureboot: true', 'did you mean secureBoot?'],
    ['secure-boot: true', 'did you mean secureBoot?'],
    ['sbat-levels: x', 'did you mean sbatLevel?'],
    ['quirk: []', 'did you mean quirks?'],
    ['kernel: 1', undefined],
    ['__proto__: {}', undefined],
  ])('refuses the unknown key of %j', (text, hint) => {
    const fault = faultOf(() => yaml(text))
    expect([fault.code, fault.message, fault.where.source]).toEqual([
      'PLATFORM_INVALID',
      'platform.yaml has a key that does not exist',
      'profiles/node/platform.yaml',
    ])
    expect(fault.hint).toBe(hint)
  })

  it.each([
    ['name: 42', 'name', 'a text'],
    ['name: a b', 'name', 'letters'],
    ['arch: x86_64', 'arch', '"amd64"'],
    ['secureBoot: yes', 'secureBoot', 'true or false'],
    ['banks: []', 'banks', 'at least one'],
    ['banks: [sha256, sha256]', 'banks', 'once'],
    ['banks: [md5]', 'banks.0', '"sha256"'],
    ['banks: sha256', 'banks', 'Array'],
    ['measurement: sev', 'measurement', '"tdx"'],
    ['sbatLevel: 2024010900', 'sbatLevel', 'a text'],
    ['sbatLevel: sbat,1', 'sbatLevel', 'sbat,1,2024010900'],
    ['grubMeasuresKernel: 3', 'grubMeasuresKernel', '2'],
    ['grubMeasuresKernel: "1"', 'grubMeasuresKernel', '1'],
    ['quirks: [measures-debug-mode]', 'quirks', 'knows no quirks'],
    ['- a list', undefined, 'keys and values'],
    ['just text', undefined, 'keys and values'],
  ])('refuses %j', (text, path, wanted) => {
    const fault = faultOf(() => yaml(text))
    expect([fault.code, fault.where.path]).toEqual(['PLATFORM_INVALID', path])
    expect(fault.wanted).toContain(wanted)
    expect(fault.found).not.toBe('')
  })

  it.each([
    'name: [',
    'name: a\nname: b',
    'a: &x [*x]',
    '{',
    '\tname: x',
    'name: x\n---\nname: y',
    '!!js/function "x"',
    `x: ${'['.repeat(5000)}`,
    `name: ${'x'.repeat(70_000)}`,
  ])('refuses what is no such document: %#', text => {
    expect(faultOf(() => yaml(text)).code).toBe('PLATFORM_INVALID')
  })

  it('damaged text is refused or read, nothing else', () => {
    const bytes = new Uint8Array(Buffer.from('name: node\nbanks: [sha256]\nsbatLevel: |\n  sbat,1,2024010900\n'))
    const parse = (damaged: Uint8Array) => outcome(() => read({ 'platform.yaml': damaged }))
    for (const cut of cuts(bytes)) expect(['PLATFORM_INVALID', 'read']).toContain(parse(cut))
    for (const flip of flips(bytes)) expect(['PLATFORM_INVALID', 'read']).toContain(parse(flip.bytes))
  })
})
