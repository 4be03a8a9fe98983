// Records and the lock: written canonically, read strictly.

import fc from 'fast-check'
import { load, YAML11_SCHEMA } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ToolError } from '../../src/errors.ts'
import type { Prediction } from '../../src/predict/prediction.ts'
import { changeKey } from '../../src/propose/change-key.ts'
import { expandImageTag } from '../../src/propose/image-tag.ts'
import { emptyLock, formatLock, readLock } from '../../src/propose/lock.ts'
import { branchName } from '../../src/propose/names.ts'
import {
  formatRecord,
  packageLabel,
  parseRecord,
  recordedPackage,
  recordedPrediction,
} from '../../src/propose/record.ts'
import { expiration } from '../../src/propose/trustee-config-map.ts'
import { parseYamlFile } from '../../src/propose/yaml-file.ts'
import { formatYaml } from '../../src/propose/yaml-text.ts'
import {
  digestOfSeed,
  faultOf,
  hexOf,
  imageOf,
  makeBaseRecord,
  makePackage,
  makeRecord,
  makeSettings,
} from '../build/proposal.ts'

describe('records', () => {
  it('read back what was written, byte for byte, whatever the order of keys was', () => {
    for (const record of [makeRecord('a'), makeBaseRecord()]) {
      const text = formatRecord(record)
      expect(parseRecord('r.yaml', text)).toEqual(record)
      const turned = Object.fromEntries(Object.entries(record).reverse()) as typeof record
      expect(formatRecord(turned)).toBe(text)
      expect(load(text)).toEqual(record)
    }
  })

  it.each([
    ['an unknown key', (text: string) => `${text}extra: 1\n`, 'extra'],
    ['a tag in the image', (text: string) => text.replace('@sha256', ':v1'), 'image'],
    [
      'upper-case hex',
      (text: string) => text.replace(hexOf('grub file'), hexOf('grub file').toUpperCase()),
      'bootFiles.1.sha256',
    ],
    ['another version', (text: string) => text.replace('schemaVersion: 1', 'schemaVersion: 2'), 'schemaVersion'],
    ['a missing part', (text: string) => text.replace(/^pcrLabel.*\n/m, ''), 'pcrLabel'],
    ['two documents', (text: string) => `${text}---\n${text}`, undefined],
    ['nothing', () => '', undefined],
  ])('refuses %s', (_, change, path) => {
    expect(faultOf(() => parseRecord('os-images/r.yaml', change(formatRecord(makeRecord('a')))))).toMatchObject({
      code: 'RECORD_INVALID',
      where: { source: 'os-images/r.yaml', ...(path === undefined ? {} : { path }) },
    })
  })

  it('cut at every length: a ToolError and nothing else', () => {
    const text = formatRecord(makeRecord('a'))
    for (let length = 0; length < text.length; length += 7) {
      const fault = faultOf(() => parseRecord('r.yaml', text.slice(0, length)))
      expect(fault).toBeInstanceOf(ToolError)
    }
  })

  it('keep packages without credentials and with the checksum of the metadata', () => {
    const sha512 = hexOf('a') + hexOf('b')
    const one = recordedPackage(
      makePackage({ checksumType: 'sha512', checksum: sha512, location: 'https://me:secret@mirror.example.com/k.rpm' }),
      'AB'.repeat(20),
    )
    expect(one).toMatchObject({ sha512, location: 'https://mirror.example.com/k.rpm', signer: 'AB'.repeat(20) })
    expect(one.sha256).toBeUndefined()
    expect(packageLabel(one)).toBe('kernel-core-5.14.0-600.el9.x86_64')
    expect(() => formatRecord(makeRecord('a', { extraPackages: [one] }))).not.toThrow()
  })

  it('keep the sha256 bank of a prediction', () => {
    const [prediction] = makeRecord('a').predictions
    if (prediction === undefined) throw new Error('no prediction')
    const banks = (sha256: string) => ({ sha1: 'aa', sha256, sha384: 'bb', sha512: 'cc' })
    const whole = {
      ...prediction,
      pcrs: {
        ...Object.fromEntries(Object.entries(prediction.pcrs).map(([pcr, v]) => [pcr, banks(v.sha256)])),
        '7': { sha1: 'aa' },
      },
      events: prediction.events.map(event => ({ ...event, digests: banks(event.digests.sha256) })),
    }
    expect(recordedPrediction(whole as Prediction)).toEqual(prediction)
  })
})

describe('the lock', () => {
  it('reads back what was written, pools by name', () => {
    const pool = { image: imageOf('a'), platforms: [], inheritedBy: ['infra'] }
    const lock = { ...emptyLock('2026-11-21'), pools: { worker: pool, master: pool } }
    const text = formatLock(lock)
    expect(readLock('', new Map([['os-image.lock.yaml', text]]))).toEqual(lock)
    expect(text.indexOf('master:')).toBeLessThan(text.indexOf('worker:'))
    expect(readLock('', new Map())).toBeUndefined()
    const broken = new Map([['os-image.lock.yaml', text.replace('valuesFrom', 'valuesfrom')]])
    expect(faultOf(() => readLock('', broken))).toMatchObject({ code: 'RECORD_INVALID' })
  })
})

describe('formatYaml', () => {
  it('strings are strings for readers of YAML 1.1 and 1.2, two libraries each', () => {
    const tricky = [
      'yes',
      'off',
      '0644',
      '089',
      '1e3',
      '0x1f',
      '12:30',
      '2001-01-01',
      '~',
      'null',
      '',
      ' a',
      'a: b',
      '@a',
      '=',
      '<<',
    ]
    const text = formatYaml({ tricky })
    expect(load(text)).toEqual({ tricky })
    expect(parseYamlFile('a.yaml', text).documents[0]?.value).toEqual({ tricky })
    expect(load(text, { schema: YAML11_SCHEMA })).toEqual({ tricky })
    expect(parse(text, { version: '1.1' })).toEqual({ tricky })
    const numeric = fc.string({ unit: fc.constantFrom(...'0123456789eEabf.+-_:xo'), maxLength: 12 })
    const binary = fc.oneof(fc.string({ unit: 'binary' }), numeric)
    fc.assert(
      fc.property(binary, value => {
        const written = formatYaml({ value })
        expect(load(written)).toEqual({ value })
        expect(load(written, { schema: YAML11_SCHEMA })).toEqual({ value })
      }),
    )
  })
})

describe('change key', () => {
  const inputs = {
    settings: makeSettings(),
    base: digestOfSeed('base'),
    packages: [makePackage(), makePackage({ name: 'kernel', checksum: hexOf('other') })],
    extraPackages: [],
    containerfile: 'FROM x\n',
    image: undefined,
  }
  const key = changeKey(inputs)

  it('does not depend on order, mirror, tag or builder', () => {
    expect(key).toMatch(/^[0-9a-f]{64}$/)
    const moved = inputs.packages.map(one => ({ ...one, location: 'https://other.example.com/k.rpm' })).reverse()
    const settings = makeSettings({ imageTag: 'x', builder: 'buildah', kernelRepositories: [] })
    expect(changeKey({ ...inputs, settings, packages: moved })).toBe(key)
  })

  it.each([
    { base: digestOfSeed('other') },
    { packages: [] },
    { extraPackages: [makePackage()] },
    { containerfile: 'FROM y\n' },
    { image: digestOfSeed('given') },
    { settings: makeSettings({ pools: ['worker', 'master'] }) },
    { settings: makeSettings({ target: ['trustee'] }) },
    { settings: makeSettings({ requireCoverage: [] }) },
    { settings: makeSettings({ imageRepository: { registry: 'r.example.com', repository: 'x' } }) },
    { settings: makeSettings({ namespace: 'x' }) },
    { settings: makeSettings({ secureBoot: false }) },
    { settings: makeSettings({ pcrLabel: 'never' }) },
    { settings: makeSettings({ allowUnsignedPackages: false }) },
  ])('depends on %j', changed => {
    expect(changeKey({ ...inputs, ...changed })).not.toBe(key)
  })
})

describe('names', () => {
  it.each([
    ['', 'attested-os-update/root/update'],
    ['clusters/one', 'attested-os-update/clusters-one/update'],
  ])('branch of %j', (directory, branch) => {
    expect(branchName(directory, 'update')).toBe(branch)
  })

  it('no two directories share a branch', () => {
    const directories = ['', 'root', 'a/b', 'a-b', 'a.b', 'A/b', 'a/b-', '--', '-', 'clusters/One.two']
    const branches = directories.map(directory => branchName(directory, 'update'))
    expect(new Set(branches).size).toBe(directories.length)
    for (const branch of branches) expect(branch).toMatch(/^attested-os-update\/[a-z0-9][a-z0-9-]*\/update$/)
  })

  it('expands image tags', () => {
    const parts = { kernelRelease: '5.14.0-1~rc^1.el9.x86_64', base: digestOfSeed('base'), changeKey: hexOf('key') }
    const [base, change] = [hexOf('base').slice(0, 12), hexOf('key').slice(0, 12)]
    expect(expandImageTag('{kernel}-{base-short}-{change}', parts)).toBe(`5.14.0-1_rc_1.el9.x86_64-${base}-${change}`)
    expect(expandImageTag('.x/{change}', parts)).toBe(`_x_${change}`)
    for (const template of ['{nope}', '', 'x'.repeat(129)])
      expect(faultOf(() => expandImageTag(template, parts))).toMatchObject({ code: 'SETTING_INVALID' })
  })

  it('counts days over leap years', () => {
    expect(expiration('2028-02-28', 2)).toBe('2028-03-01T00:00:00Z')
    expect(faultOf(() => expiration('2026-99-99', 1))).toMatchObject({ code: 'RECORD_INVALID' })
  })
})

describe('what is wrong with a lock is said in words', () => {
  const lock = formatLock(emptyLock('2026-11-21'))
  it.each([
    [lock.replace(/^cluster:\n(?: .*\n)+/m, ''), { found: 'nothing', wanted: '"cluster"' }],
    [`${lock}colour: blue\n`, { found: '"colour"', wanted: 'no such key' }],
    [
      lock.replace(/^valuesFrom: .*$/m, 'valuesFrom: soon'),
      { found: '"soon"', wanted: 'expected a day like 2026-11-21' },
    ],
    [lock.replace('schemaVersion: 1', 'schemaVersion: 2'), { found: '2', wanted: '1' }],
  ])('%#', (text, wanted) => {
    expect(() => readLock('', new Map([['os-image.lock.yaml', text]]))).toThrow(
      expect.objectContaining({ code: 'RECORD_INVALID', ...wanted }),
    )
  })
})
