// Expecting a ToolError by its code.

import { expect } from 'vitest'
import { type ErrorCode, ToolError } from '../../src/errors.ts'

/** Awaits the refusal, checks class and code, and gives the error for more questions. */
export async function expectToolError(code: ErrorCode, work: Promise<unknown> | (() => unknown)): Promise<ToolError> {
  let thrown: unknown
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    thrown = error
  }
  if (!(thrown instanceof ToolError)) throw new Error(`expected a ToolError ${code}`, { cause: thrown })
  expect(`${thrown.code}: ${thrown.message}`).toMatch(new RegExp(`^${code}: `))
  return thrown
}
