import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../src/formats/bytes/digest.ts'
import { parseHex } from '../../../src/formats/bytes/hex.ts'
import { type Guid, guids } from '../../../src/formats/efi/guid.ts'
import { formatVariableEvent, parseVariableEvent } from '../../../src/formats/efi/variable-event.ts'
import { cuts, outcome } from '../../build/damage.ts'

const digestOf = (vendorGuid: Guid, name: string, data: Uint8Array) =>
  sha256Hex(formatVariableEvent({ vendorGuid, name, data }))

describe('UEFI_VARIABLE_DATA', () => {
  it('counts the name in UTF-16 units and adds no NUL', () => {
    const bytes = formatVariableEvent({ vendorGuid: guids.globalVariable, name: 'Dü', data: Uint8Array.of(1) })
    const lengths = `${'0200000000000000'}${'0100000000000000'}`
    expect(bytes).toEqual(parseHex(`61dfe48bca93d211aa0d00e098032b8c${lengths}4400fc0001`))
  })

  it('reads what it writes; cut data are refused', () => {
    const variable = { vendorGuid: guids.imageSecurityDatabase, name: 'db', data: new Uint8Array(30).fill(3) }
    const bytes = formatVariableEvent(variable)
    expect(parseVariableEvent(bytes, 'log', 'EVENT_LOG_INVALID')).toEqual(variable)
    for (const cut of cuts(bytes))
      expect(outcome(() => parseVariableEvent(cut, 'log', 'EVENT_LOG_INVALID'))).toBe('EVENT_LOG_INVALID')
  })

  it('refuses a name of 2^64-1 units before it allocates anything', () => {
    const bytes = new Uint8Array(60)
    bytes.fill(0xff, 16, 24)
    expect(outcome(() => parseVariableEvent(bytes, 'log', 'EVENT_LOG_INVALID'))).toBe('EVENT_LOG_INVALID')
  })
})

describe('digests of variables that event logs of real machines show', () => {
  it.each([
    [1, 'ccfc4bb32888a345bc8aeadaba552b627d99348c767681ab3141f5b01e40a40e'],
    [0, '115aa827dbccfb44d216ad9ecfda56bdea620b860a94bed5b7a27bba1c4d02d8'],
  ])('SecureBoot %i', (value, digest) => {
    expect(digestOf(guids.globalVariable, 'SecureBoot', Uint8Array.of(value))).toBe(digest)
  })

  it.each([
    [[], '922e939a5565798a5ef12fe09d8b49bf951a8e7f89a0cca7a51636693d41a34d', 2021030218],
    [['grub,2'], '12b3913481a767dc4c9a729a7287fcb85ca365bc808e3fb7d438c2d8823cea20', 2022052400],
    [
      ['shim,2', 'grub,3', 'grub.debian,4'],
      'e8e9578f5951ef16b1c1aa18ef02944b8375ec45ed4b5d8cdb30428db4a31016',
      2023012900,
    ],
    [
      ['shim,4', 'grub,3', 'grub.debian,4'],
      'ac9f1eb7b4cae7ba21b5bc4f5e55ad5fe9d5160fa5e1459e90ecc81a15699cc5',
      2024010900,
    ],
    [
      ['shim,4', 'grub,4', 'grub.peimage,2'],
      'bcf4d1ff6bf02f949e5afd49dc45fe3e16f39b302764bf2ee98257e8297a1f7d',
      2024040900,
    ],
    [['shim,4', 'grub,5'], 'ef611239b24f977f968379a9c9547b8da480557b8e0b2a83c66b3cea6034b330', 2025021800],
    [
      ['shim,4', 'grub,5', 'grub.proxmox,2'],
      '6df24a92aff5ad9f946c57ce2c42b723b7de6545d18660a9aaf2b60da0b404b6',
      2025051000,
    ],
  ])('SbatLevel with %j', (rows, digest, date) => {
    const text = [`sbat,1,${date}`, ...rows].map(row => `${row}\n`).join('')
    expect(digestOf(guids.shimLock, 'SbatLevel', new Uint8Array(Buffer.from(text, 'latin1')))).toBe(digest)
  })
})
