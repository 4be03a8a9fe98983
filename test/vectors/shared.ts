// Test data beside the checkout that users do not have. Without it one line says what was not checked.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const vectors = join(import.meta.dirname, '../../../shared/vectors')

export const shared = {
  missing: !existsSync(vectors),
  path: (...parts: readonly string[]) => join(vectors, ...parts),
  bytes: (...parts: readonly string[]) => new Uint8Array(readFileSync(join(vectors, ...parts))),
  text: (...parts: readonly string[]) => readFileSync(join(vectors, ...parts), 'utf8'),
  names: (...parts: readonly string[]) => (existsSync(vectors) ? readdirSync(join(vectors, ...parts)).sort() : []),
}

/** Says what a missing folder leaves unchecked; call it once per file. */
export function sayWhatIsNotChecked(what: string): void {
  if (shared.missing) process.stdout.write(`NOT CHECKED: ${what} (../shared/vectors is not there)\n`)
}
