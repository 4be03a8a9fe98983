// platform.yaml: what people say of a machine type beside its variables (interface §2). YAML 1.2, unknown keys refused.

import { loadAll } from 'js-yaml'
import * as v from 'valibot'
import { ToolError } from '../../errors.ts'
import { banks } from '../../formats/bytes/digest.ts'
import { parseSbatLevel } from '../../formats/shim/sbat-level.ts'

/** A longer file is no platform.yaml. */
const ceiling = 64 * 1024

/** Oddities of firmware that prediction takes into account, by the names of docs/pcrs.md. There are none yet. */
export const knownQuirks: readonly string[] = []

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/
const nameWords = 'letters, digits and . _ + -, at most 100, a letter or digit first'

/** True for a text that can name a platform. */
export function isPlatformName(text: string): boolean {
  return namePattern.test(text)
}

const onOff = v.union([v.boolean(), v.picklist(['on', 'off'])], 'expected true or false')

const schema = v.strictObject({
  name: v.optional(v.pipe(v.string('expected a text'), v.regex(namePattern, `expected ${nameWords}`))),
  arch: v.optional(v.picklist(['amd64', 'arm64', 'ppc64le', 's390x'])),
  secureBoot: v.optional(
    v.pipe(
      onOff,
      v.transform(word => word === true || word === 'on'),
    ),
  ),
  banks: v.optional(
    v.pipe(
      v.array(v.picklist(banks)),
      v.minLength(1, 'expected at least one bank'),
      v.check(list => new Set(list).size === list.length, 'expected each bank once'),
    ),
  ),
  measurement: v.optional(v.picklist(['tpm', 'tdx'])),
  sbatLevel: v.optional(
    v.pipe(
      v.string('expected a text'),
      v.check(text => parseSbatLevel(text) !== undefined, 'expected the whole level: sbat,1,2024010900 and its lines'),
      v.transform(text => (text.endsWith('\n') ? text : `${text}\n`)),
    ),
  ),
  grubMeasuresKernel: v.optional(v.picklist([0, 1, 2])),
  quirks: v.optional(v.array(v.string('expected a text'))),
})

export type PlatformYaml = v.InferOutput<typeof schema>
const keys = Object.keys(schema.entries)

/** Reads platform.yaml. Throws PLATFORM_INVALID with the key that is at fault. */
export function parsePlatformYaml(bytes: Uint8Array, source: string): PlatformYaml {
  const value = yamlValue(bytes, source)
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid(source, { found: Array.isArray(value) ? 'a list' : `a ${typeof value}`, wanted: 'keys and values' })
  for (const key of Object.keys(value)) if (!keys.includes(key)) throw unknownKey(key, source)
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (!result.success) {
    const [issue] = result.issues
    throw invalid(source, {
      path: v.getDotPath(issue) ?? '',
      found: issue.received.slice(0, 100),
      wanted: (issue.expected === null || issue.message.startsWith('expected ') ? issue.message : issue.expected)
        .replace(/^expected /, '')
        .slice(0, 200),
    })
  }
  const unknown = result.output.quirks?.find(quirk => !knownQuirks.includes(quirk))
  if (unknown !== undefined)
    throw invalid(source, {
      path: 'quirks',
      found: JSON.stringify(unknown.slice(0, 100)),
      wanted: knownQuirks.length === 0 ? 'none: this version knows no quirks' : knownQuirks.join(', '),
    })
  return result.output
}

function yamlValue(bytes: Uint8Array, source: string): unknown {
  if (bytes.length > ceiling) throw invalid(source, { found: `${bytes.length} bytes`, wanted: `at most ${ceiling}` })
  const documents = parseDocuments(bytes, source)
  if (documents.length <= 1) return documents[0]
  throw invalid(source, { found: `${documents.length} documents`, wanted: 'one YAML document' })
}

function parseDocuments(bytes: Uint8Array, source: string): readonly unknown[] {
  try {
    return loadAll(new TextDecoder('utf-8', { fatal: true }).decode(bytes), { maxDepth: 20 })
  } catch (cause) {
    const found = cause instanceof Error ? (cause.message.split('\n')[0] ?? '').slice(0, 200) : 'no text'
    throw invalid(source, { found, wanted: 'one YAML document', cause })
  }
}

interface Fault {
  readonly path?: string
  readonly found: string
  readonly wanted: string
  readonly cause?: unknown
}

function invalid(source: string, { path, found, wanted, cause }: Fault): ToolError {
  const where = path === undefined || path === '' ? { source } : { source, path }
  return new ToolError('PLATFORM_INVALID', 'cannot read platform.yaml', { found, wanted, where, cause })
}

function unknownKey(key: string, source: string): ToolError {
  const near = keys.find(known => distance(plain(key), plain(known)) <= Math.max(1, Math.floor(known.length / 4)))
  return new ToolError('PLATFORM_INVALID', 'platform.yaml has a key that does not exist', {
    found: JSON.stringify(key.slice(0, 100)),
    wanted: keys.join(', '),
    where: { source },
    ...(near === undefined ? {} : { hint: `did you mean ${near}?` }),
  })
}

function plain(word: string): string {
  return word.slice(0, 50).toLowerCase().replace(/[-_ ]/g, '')
}

/** Levenshtein distance. */
function distance(left: string, right: string): number {
  let last = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++)
      current.push(
        Math.min(
          (last[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          (last[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1),
        ),
      )
    last = current
  }
  return last[right.length] ?? 0
}
