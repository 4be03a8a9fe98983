import { describe, expect, it } from 'vitest'
import { parseKernelRelease } from '../../../src/formats/pe/bzimage.ts'
import { makeGrub, makeKernel } from '../../build/boot-files.ts'

const release = '5.14.0-611.5.1.el9_7.x86_64'

describe('kernel release of a bzImage', () => {
  it('is the first word of the version text', () => {
    expect(parseKernelRelease(makeKernel({ seed: 1, release }))).toBe(release)
  })

  it('is undefined for files without a setup header', () => {
    expect(parseKernelRelease(makeGrub({ seed: 1 }))).toBeUndefined()
    expect(parseKernelRelease(new Uint8Array(100))).toBeUndefined()
  })

  it.each([
    ['no pointer', 0x20e, 0],
    ['a pointer behind the setup code', 0x20e, 0xffff],
    ['another magic', 0x202, 0],
    ['no boot flag', 0x1fe, 0],
  ])('is undefined with %s', (_, offset, value) => {
    const kernel = makeKernel({ seed: 1, release })
    new DataView(kernel.buffer).setUint16(offset, value, true)
    expect(parseKernelRelease(kernel)).toBeUndefined()
  })

  it('is undefined for every cut before the text', () => {
    const kernel = makeKernel({ seed: 1, release })
    for (let length = 0; length < 0x1010; length += 7)
      expect(parseKernelRelease(kernel.subarray(0, length))).toBeUndefined()
  })
})
