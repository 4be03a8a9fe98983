// Presence and order per version: mok_state_variables and import_one_mok_state in rhboot/shim mok.c of each tag.

import { describe, expect, it } from 'vitest'
import { guids } from '../../../src/formats/efi/guid.ts'
import { certificateList, formatSignatureLists } from '../../../src/formats/efi/signature-list.ts'
import { parseVendorCert } from '../../../src/formats/shim/vendor-cert.ts'
import { parseShimVersion } from '../../../src/formats/shim/version.ts'
import { type ShimStart, shimVariables, trustedNote } from '../../../src/predict/shim/shim-variables.ts'
import { vendorTable } from '../../build/boot-files.ts'
import { makeSigningKey } from '../../build/certificate.ts'
import { faultOf } from '../../build/damage.ts'

const none = new Uint8Array(0)
const { certificate } = makeSigningKey('vendor')
const vendor = parseVendorCert(vendorTable(certificate, none), 'shim')
const vendorList = formatSignatureLists([certificateList(guids.shimLock, certificate)])
const mok = formatSignatureLists([certificateList(guids.shimLock, makeSigningKey('platform').certificate)])
const sbatLevel = { level: 'sbat,1,2021030218\n', because: 'the first level' }
const one = Uint8Array.of(1)

function start(version: string, more: Partial<ShimStart> = {}): ShimStart {
  const ident = new Uint8Array(Buffer.from(`$Version: ${version} $`, 'latin1'))
  return { version: parseShimVersion(ident, 'shim'), vendor, enrolled: { list: none, listX: none }, sbatLevel, ...more }
}
const events = (given: ShimStart) => shimVariables(given).map(({ pcr, name }) => `${pcr} ${name}`)

describe('what shim measures when it starts', () => {
  it.each([
    ['15.3', ['14 MokList', '14 MokListX', '7 SBAT']],
    ['15.4', ['14 MokList', '14 MokListX', '7 SbatLevel']],
    ['15.5', ['14 MokList', '14 MokListX', '7 SbatLevel']],
    ['15.6', ['14 MokList', '14 MokListX', '7 SbatLevel', '7 MokListTrusted', '14 MokListTrusted']],
    ['15.7', ['14 MokList', '14 MokListX', '7 SbatLevel', '14 MokListTrusted']],
    ['16.1', ['14 MokList', '14 MokListX', '7 SbatLevel', '14 MokListTrusted']],
  ])('%s, nothing set', (version, wanted) => {
    expect(events(start(version))).toEqual(wanted)
    expect(events(start(version, { trusted: one }))).toEqual(wanted)
  })

  it.each([
    ['15.3', ['14 MokList', '14 MokListX', '7 MokSBState', '14 MokSBState', '7 SBAT']],
    ['15.6', ['14 MokList', '14 MokListX', '7 MokSBState', '14 MokSBState', '7 SbatLevel', '14 MokPolicy']],
    ['16.1', ['14 MokList', '14 MokListX', '7 MokSBState', '14 MokSBState', '7 SbatLevel', '14 MokPolicy']],
  ])('%s, everything set', (version, wanted) => {
    expect(events(start(version, { sbState: one, policy: one, trusted: Uint8Array.of(0) }))).toEqual(wanted)
  })

  it('leaves PCR 7 alone where no level is given', () => {
    expect(events(start('15.6', { sbatLevel: undefined }))).toEqual(['14 MokList', '14 MokListX', '14 MokListTrusted'])
  })

  it('has the vendor’s lists first, then the user’s', () => {
    const [list, listX, level, trusted] = shimVariables(start('16.1', { enrolled: { list: mok, listX: mok } }))
    expect(list?.data).toEqual(new Uint8Array(Buffer.concat([vendorList, mok])))
    expect(listX?.data).toEqual(mok)
    expect(Buffer.from(level?.data ?? none).toString()).toBe('sbat,1,2021030218\n')
    expect(trusted?.data).toEqual(one)
  })

  it('cannot say what shim 15.5 measures of a MokListTrusted that is set', () => {
    expect(faultOf(() => shimVariables(start('15.5', { trusted: Uint8Array.of(0) }))).code).toBe(
      'PLATFORM_INSUFFICIENT',
    )
  })

  it('notes a profile that does not say whether MokListTrusted is set', () => {
    expect(trustedNote({ name: 'node', mok: { trusted: one } })).toEqual([])
    expect(trustedNote({ name: 'node', mok: { trusted: undefined } })).toHaveLength(1)
  })
})
