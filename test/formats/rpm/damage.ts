// Cuts and flips for parser tests: whatever comes out, it is a value or a ToolError, never another exception.

import { expect } from 'vitest'
import { ToolError } from '../../../src/errors.ts'

/** Every length up to 600, then about 600 more. */
function lengths(total: number): number[] {
  const step = Math.max(1, Math.floor(total / 600))
  return Array.from({ length: total }, (_, index) => index).filter(index => index < 600 || index % step === 0)
}

/** The parser refuses the bytes cut at every length (sampled when large) with a ToolError. */
export async function refusesCuts(bytes: Uint8Array, parse: (cut: Uint8Array) => unknown): Promise<void> {
  for (const length of lengths(bytes.length)) {
    const fault = await faultOf(() => parse(bytes.slice(0, length)))
    expect(fault, `cut at ${length}`).toBeInstanceOf(ToolError)
  }
}

/** The parser survives every byte (sampled when large) turned over, and returns how often it refused. */
export async function survivesFlips(bytes: Uint8Array, parse: (flipped: Uint8Array) => unknown): Promise<number> {
  let refused = 0
  for (const index of lengths(bytes.length)) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const copy = bytes.slice()
      copy[index] = (copy[index] ?? 0) ^ mask
      const fault = await faultOf(() => parse(copy))
      if (fault === undefined) continue
      expect(fault, `byte ${index} xor ${mask}`).toBeInstanceOf(ToolError)
      refused += 1
    }
  }
  return refused
}

async function faultOf(work: () => unknown): Promise<unknown> {
  try {
    await work()
    return undefined
  } catch (error) {
    return error ?? new Error('thrown nothing')
  }
}
