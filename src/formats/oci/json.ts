// Careful reading of the JSON documents of an image: every field is checked before it is used.

import { ToolError } from '../../errors.ts'
import { isOciDigest, type OciDigest } from './digest.ts'
import { expectClearNames, folded } from './json-names.ts'

/** Manifest and config, interface §8. */
export const documentCeiling = 4 * 1024 * 1024

/** A JSON object and its place, for error texts. */
export interface JsonObject {
  readonly fields: Readonly<Record<string, unknown>>
  readonly source: string
  readonly path: string
}

/** Parses bytes to a JSON object; throws CEILING_REACHED and IMAGE_INVALID. */
export function parseJsonObject(bytes: Uint8Array, source: string, what: string): JsonObject {
  if (bytes.length > documentCeiling)
    throw new ToolError('CEILING_REACHED', `${what} is too large`, {
      found: `${bytes.length} bytes`,
      wanted: `at most ${documentCeiling}`,
      where: { source },
    })
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (cause) {
    throw new ToolError('IMAGE_INVALID', `${what} is not JSON`, { where: { source, path: what }, cause })
  }
  expectClearNames(text, source, what)
  return asObject(value, source, what)
}

export function invalid(at: { source: string; path: string }, name: string, found: unknown, wanted: string): ToolError {
  return new ToolError('IMAGE_INVALID', `a field of the image is wrong: ${name}`, {
    found: found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 200),
    wanted,
    where: { source: at.source, path: `${at.path}/${name}` },
  })
}

function asObject(value: unknown, source: string, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid({ source, path }, '', value, 'an object')
  return { fields: value as Record<string, unknown>, source, path }
}

export function objectField(at: JsonObject, name: string): JsonObject {
  const value = at.fields[name]
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(at, name, value, 'an object')
  return asObject(value, at.source, `${at.path}/${name}`)
}

/** undefined when the field is absent or null. Throws when it is there in other case: some programs would take it. */
function optionalField(at: JsonObject, name: string): unknown {
  const value = at.fields[name] ?? undefined
  const other = value === undefined ? Object.keys(at.fields).find(one => folded(one) === folded(name)) : undefined
  if (other !== undefined && other !== name) throw invalid(at, name, other, `${name} in this case`)
  return value
}

/** undefined when the field is absent or null. */
export function optionalObject(at: JsonObject, name: string): JsonObject | undefined {
  return optionalField(at, name) === undefined ? undefined : objectField(at, name)
}

export function arrayField(at: JsonObject, name: string): readonly unknown[] {
  const value = at.fields[name]
  if (!Array.isArray(value)) throw invalid(at, name, value, 'a list')
  return value
}

export function objectsField(at: JsonObject, name: string): JsonObject[] {
  return arrayField(at, name).map((value, index) => asObject(value, at.source, `${at.path}/${name}/${index}`))
}

export function textField(at: JsonObject, name: string): string {
  const value = at.fields[name]
  if (typeof value !== 'string') throw invalid(at, name, value, 'a string')
  return value
}

export function optionalText(at: JsonObject, name: string): string | undefined {
  return optionalField(at, name) === undefined && at.fields[name] === undefined ? undefined : textField(at, name)
}

export function digestField(at: JsonObject, name: string): OciDigest {
  const text = textField(at, name)
  if (!isOciDigest(text)) throw invalid(at, name, text, 'sha256: and 64 lower-case hex digits')
  return text
}

/** A map of strings; empty when absent or null. */
export function textsField(at: JsonObject, name: string): Readonly<Record<string, string>> {
  if (optionalField(at, name) === undefined) return {}
  const map = objectField(at, name)
  return Object.fromEntries(Object.keys(map.fields).map(key => [key, textField(map, key)]))
}
