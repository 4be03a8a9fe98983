// By rhboot/shim pe.c, generate_hash: 16.0 ("#if 1" before the remaining data) and 16.1 (remaining data and padding).

import { describe, expect, it } from 'vitest'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { shimDigests } from '../../../src/predict/shim/image-hash.ts'
import { signPe } from '../../build/authenticode.ts'
import { seededBytes } from '../../build/boot-files.ts'
import { makeSigningKey } from '../../build/certificate.ts'
import { loadFile } from '../../build/load-file.ts'
import { makePe } from '../../build/pe.ts'

const sections = [{ name: '.text', data: seededBytes('hash', 300) }]
const plain = makePe({ sections })
const behind = makePe({ sections, overlay: seededBytes('overlay', 13) })
const padded = makePe({ sections, overlay: new Uint8Array([...seededBytes('overlay', 13), 0, 0, 0]) })
const firmwares = (bytes: Uint8Array) => formatHex(loadFile(bytes).digests.sha256)
const shims = (bytes: Uint8Array, major: number, minor: number) =>
  formatHex(shimDigests(loadFile(bytes), { major, minor }).sha256)

describe('the hash that shim looks up', () => {
  it('of an unsigned file ends with its sections before 16.1, then with zeros', () => {
    expect(firmwares(behind)).not.toBe(firmwares(plain))
    for (const [major, minor] of [
      [15, 3],
      [15, 8],
      [16, 0],
    ] as const)
      expect(shims(behind, major, minor)).toBe(firmwares(plain))
    expect(shims(behind, 16, 1)).toBe(firmwares(padded))
  })

  it('is the firmware’s for signed files, and for files that end with their sections', () => {
    const signed = signPe(behind, makeSigningKey('hash'))
    for (const minor of [0, 1]) {
      expect(shims(signed, 16, minor)).toBe(firmwares(signed))
      expect(shims(plain, 16, minor)).toBe(firmwares(plain))
    }
  })
})
