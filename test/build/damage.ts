// Damaged input for parsers: cut at every length, one byte changed. Nothing but a ToolError may come out.

import { ToolError } from '../../src/errors.ts'

/** The bytes cut at every length, or at about `most` lengths spread evenly. */
export function* cuts(bytes: Uint8Array, most = 2000): Generator<Uint8Array> {
  const step = Math.max(1, Math.floor(bytes.length / most))
  for (let length = 0; length < bytes.length; length += step) yield bytes.subarray(0, length)
}

/** The bytes with one of them changed in all bits, at every place or at about `most` places. */
export function* flips(bytes: Uint8Array, most = 2000): Generator<{ offset: number; bytes: Uint8Array }> {
  const step = Math.max(1, Math.floor(bytes.length / most))
  for (let offset = 0; offset < bytes.length; offset += step) {
    const changed = new Uint8Array(bytes)
    changed[offset] = (changed[offset] ?? 0) ^ 0xff
    yield { offset, bytes: changed }
  }
}

/** 'read' or the code of the ToolError; every other exception is passed on and fails the test. */
export function outcome(parse: () => unknown): string {
  try {
    parse()
    return 'read'
  } catch (error) {
    if (error instanceof ToolError) return error.code
    throw error
  }
}

/** The ToolError that `work` throws; fails when it throws nothing. */
export function faultOf(work: () => unknown): ToolError {
  try {
    work()
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
  throw new Error('no fault')
}
