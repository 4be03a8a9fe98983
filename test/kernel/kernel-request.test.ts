import { describe, expect, it } from 'vitest'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import { fitsRequest, namesOneRelease, parseKernelRequest } from '../../src/kernel/kernel-request.ts'

const fits = (request: string, evr: string) => fitsRequest(parseKernelRequest(request), parseEvr(evr), 'x86_64')

describe('kernel-version', () => {
  it.each([
    ['latest', '5.14.0-1.el9', true],
    ['5.14.0', '5.14.0-600.el9', true],
    ['5.14.0', '5.14.1-600.el9', false],
    ['5.14', '5.14.0-600.el9', false],
    ['5.14.0-600.el9', '5.14.0-600.el9', true],
    ['5.14.0-600.el9.x86_64', '5.14.0-600.el9', true],
    ['5.14.0-600.el9.aarch64', '5.14.0-600.el9', false],
    ['5.14.0-600.el9', '5.14.0-600.el9_6', false],
    ['=5.14.0-600.el9', '5.14.0-600.el9', true],
    ['==5.14.0', '5.14.0-600.el9', true],
    ['>=5.14.0-600 <5.14.0-700', '5.14.0-599.el9', false],
    ['>=5.14.0-600 <5.14.0-700', '5.14.0-600.el9', true],
    ['>=5.14.0-600 <5.14.0-700', '5.14.0-699.9.el9', true],
    ['>=5.14.0-600 <5.14.0-700', '5.14.0-700.el9', false],
    ['>= 5.14.0-600, < 5.14.0-700', '5.14.0-650.el9', true],
    ['>5.14.0', '5.14.0-700.el9', false],
    ['<=5.14.0', '5.14.0-700.el9', true],
    ['<5.14.0', '5.14.0~rc1-1', true],
    ['>6', '6.1-1', true],
    ['1:5.14.0', '5.14.0-1', false],
    ['5.14.0', '1:5.14.0-1', true],
    ['>=1:4', '5.14.0-1', false],
    ['>=1:4', '1:4-1', true],
    ['<1:4', '5.14.0-1', true],
  ])('%s and %s: %s', (request, evr, expected) => {
    expect(fits(request, evr)).toBe(expected)
  })

  it.each([
    '',
    ' ',
    'newest?',
    '5.14.0-600-1',
    '>=',
    '>=5.14.0 5.14.1',
    '=1 =2',
    '5/6',
    'x:5',
    '99999999999:1',
    '!=5',
    '>>5',
    Array(20).fill('>1').join(' '),
  ])('refuses %j', text => {
    expect(() => parseKernelRequest(text)).toThrow(expect.objectContaining({ code: 'SETTING_INVALID', found: text }))
  })

  it('knows which requests name one release', () => {
    expect(
      ['latest', '5.14.0', '5.14.0-1', '>=5.14.0-1'].map(text => namesOneRelease(parseKernelRequest(text))),
    ).toEqual([false, false, true, false])
  })
})
