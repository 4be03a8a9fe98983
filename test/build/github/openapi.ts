// GitHub's published OpenAPI description as a judge: every request and every answer of the double must fit it.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'

export type Json = { readonly [key: string]: unknown }

const file = join(import.meta.dirname, '../../../fixtures/github/openapi.json')
const description = nullables(JSON.parse(readFileSync(file, 'utf8'))) as Json
const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })

export interface Operation {
  readonly id: string
  readonly method: string
  readonly pattern: RegExp
  /** Names of the path's parts, in order. */
  readonly names: readonly string[]
  readonly raw: Json
}

/** OpenAPI 3.0 writes `nullable`; JSON Schema has the type null. */
function nullables(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nullables)
  if (!isObject(value)) return value
  const { nullable, ...rest } = Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, nullables(member)]),
  )
  return nullable === true ? { anyOf: [{ type: 'null' }, rest] } : rest
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function memberAt(value: unknown, ...steps: readonly string[]): unknown {
  let at = value
  for (const step of steps) at = isObject(at) ? at[step] : undefined
  return at
}

/** Follows references until there is none. */
export function resolved(value: unknown): Json {
  let at = value
  while (isObject(at) && typeof at.$ref === 'string')
    at = memberAt(description, ...at.$ref.replace('#/', '').split('/'))
  return isObject(at) ? at : {}
}

export const operations: readonly Operation[] = Object.entries(resolved(description.paths)).flatMap(([path, item]) =>
  Object.entries(resolved(item)).map(([method, raw]) => ({
    id: String(memberAt(raw, 'operationId')),
    method: method.toUpperCase(),
    pattern: new RegExp(`^${path.replace(/\{(ref|basehead)\}/g, '(.+)').replace(/\{\w+\}/g, '([^/]+)')}$`),
    names: [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? ''),
    raw: resolved(raw),
  })),
)

const compiled = new Map<string, ValidateFunction>()

function check(key: string, schema: unknown, value: unknown): string[] {
  const validate = compiled.get(key) ?? ajv.compile({ allOf: [schema], components: description.components })
  compiled.set(key, validate)
  return validate(value)
    ? []
    : (validate.errors ?? []).slice(0, 5).map(error => `${key}${error.instancePath}: ${error.message}`)
}

/** Parameters that the description does not know, or of another type. */
export function checkQuery(operation: Operation, query: URLSearchParams): string[] {
  const known = (Array.isArray(operation.raw.parameters) ? operation.raw.parameters : []).map(resolved)
  return [...query].flatMap(([name, value]) => {
    const parameter = known.find(one => one.in === 'query' && one.name === name)
    if (parameter === undefined) return [`${operation.id}: unknown query parameter ${name}`]
    const integer = resolved(parameter.schema).type === 'integer'
    return check(`${operation.id}?${name}`, parameter.schema, integer && /^\d+$/.test(value) ? Number(value) : value)
  })
}

/** The body against its schema; members that the description does not know are refused. */
export function checkBody(operation: Operation, body: unknown): string[] {
  const schema = memberAt(operation.raw, 'requestBody', 'content', 'application/json', 'schema')
  if (schema === undefined) return body === undefined ? [] : [`${operation.id}: a body where there is none`]
  return check(`${operation.id} body`, closed(schema), body)
}

function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed)
  if (!isObject(value)) return value
  const members = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, closed(member)]))
  return isObject(value.properties) && value.additionalProperties === undefined
    ? { ...members, additionalProperties: false }
    : members
}

/** The description's schema of an answer, or undefined where an answer with this status is not described. */
export function answerSchema(operation: Operation, status: number): Json | undefined {
  const response = memberAt(operation.raw, 'responses', String(status))
  return response === undefined ? undefined : resolved(response)
}

export function checkAnswer(operation: Operation, status: number, body: unknown): string[] {
  const response = answerSchema(operation, status)
  if (response === undefined) return [`${operation.id}: answer ${status} is not described`]
  const schema = memberAt(response, 'content', 'application/json', 'schema')
  if (schema === undefined) return body === undefined ? [] : [`${operation.id} ${status}: a body where there is none`]
  return check(`${operation.id} ${status}`, schema, body)
}

/** The smallest value that a schema takes: answers have scores of required members that nobody here reads. */
export function smallest(schema: unknown): unknown {
  const at = resolved(schema)
  const choice = at.anyOf ?? at.oneOf
  if (Array.isArray(at.allOf)) return Object.assign({}, ...at.allOf.map(smallest))
  if (Array.isArray(choice)) return smallest(choice[0])
  if (Array.isArray(at.enum)) return at.enum[0]
  const type = Array.isArray(at.type) ? at.type[0] : at.type
  if (type === 'string') return at.format === 'date-time' ? '2026-11-21T00:00:00Z' : 'https://github.example.com/'
  if (type === 'integer' || type === 'number') return 0
  if (type === 'boolean') return false
  if (type === 'array') return []
  if (type === 'null') return null
  const required = Array.isArray(at.required) ? at.required.map(String) : []
  return Object.fromEntries(required.map(name => [name, smallest(memberAt(at.properties, name))]))
}

/** The smallest answer of an operation with some members put over it, deep. */
export function answer(operation: Operation, status: number, over: unknown): unknown {
  const schema = memberAt(answerSchema(operation, status), 'content', 'application/json', 'schema')
  return filled(schema, over)
}

/** Fills what is missing of objects and of items of lists. */
export function filled(schema: unknown, over: unknown): unknown {
  const at = resolved(schema)
  if (Array.isArray(over)) return over.map(item => filled(at.items, item))
  if (!isObject(over)) return over
  const options = alternatives(schema)
  const start = smallest(options.find(option => option.properties !== undefined) ?? at)
  const members = Object.entries(over).map(([key, value]) => {
    const member = options.map(option => memberAt(option.properties, key)).find(one => one !== undefined)
    return [key, filled(member, value)]
  })
  return { ...(isObject(start) ? start : {}), ...Object.fromEntries(members) }
}

/** A schema and all that it is put together from. */
function alternatives(schema: unknown): Json[] {
  const at = resolved(schema)
  const parts = [at.allOf, at.anyOf, at.oneOf].flatMap(list => (Array.isArray(list) ? list : []))
  return [at, ...parts.flatMap(alternatives)]
}
