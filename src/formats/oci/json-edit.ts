// Changes one value of a JSON text and leaves every other byte as it is: numbers, escapes, order and spaces mean something to digests.

import { ToolError } from '../../errors.ts'

/** Where a member of an object stands in the text. */
interface Member {
  readonly name: string
  readonly start: number
  readonly value: number
  readonly end: number
}

/**
 * Sets the value at a path of names. Objects on the way that are missing or null are made; a name that is there keeps its place, a new
 * one comes last. `text` must be JSON and an object, `value` is JSON. Throws IMAGE_INVALID where readers would not agree on what stands
 * there: a name twice, or once more in other case (Go's encoding/json takes both), or no object on the way.
 */
export function setJsonValue(text: string, path: readonly string[], value: string, source: string): string {
  let at = skipSpace(text, 0)
  for (const [depth, name] of path.entries()) {
    const rest = path.slice(depth + 1)
    const found = onlyMember(text, at, name, path.slice(0, depth + 1), source)
    if (found === undefined) return insertMember(text, at, name, nested(rest, value))
    if (rest.length === 0) return replaced(text, found.value, found.end, value)
    if (text.slice(found.value, found.end) === 'null')
      return replaced(text, found.value, found.end, nested(rest, value))
    at = found.value
  }
  return text
}

/** Takes the member at a path of names away; the same text where it is not there. Throws as `setJsonValue`. */
export function removeJsonValue(text: string, path: readonly string[], source: string): string {
  let at = skipSpace(text, 0)
  for (const [depth, name] of path.entries()) {
    const found = onlyMember(text, at, name, path.slice(0, depth + 1), source)
    if (found === undefined || text.slice(found.value, found.end) === 'null') return text
    if (depth < path.length - 1) {
      at = found.value
      continue
    }
    const all = members(text, at)
    const index = all.findIndex(({ start }) => start === found.start)
    const [before, after] = [all[index - 1], all[index + 1]]
    if (after !== undefined) return replaced(text, found.start, after.start, '')
    return replaced(text, before === undefined ? found.start : before.end, found.end, '')
  }
  return text
}

const replaced = (text: string, start: number, end: number, by: string) => text.slice(0, start) + by + text.slice(end)

/** `{"a":{"b":value}}` for the names a and b. */
function nested(names: readonly string[], value: string): string {
  return names.reduceRight((inner, name) => `{${JSON.stringify(name)}:${inner}}`, value)
}

function insertMember(text: string, object: number, name: string, value: string): string {
  const last = members(text, object).at(-1)
  const at = last?.end ?? object + 1
  return replaced(text, at, at, `${last === undefined ? '' : ','}${JSON.stringify(name)}:${value}`)
}

function onlyMember(
  text: string,
  object: number,
  name: string,
  path: readonly string[],
  source: string,
): Member | undefined {
  if (text[object] !== '{')
    throw new ToolError('IMAGE_INVALID', 'a field of the image is no object', {
      found: text.slice(object, object + 40),
      wanted: 'an object',
      where: { source, path: path.slice(0, -1).join('/') },
    })
  const alike = members(text, object).filter(member => member.name.toLowerCase() === name.toLowerCase())
  const [only, other] = alike
  if (other !== undefined || (only !== undefined && only.name !== name))
    throw new ToolError('IMAGE_INVALID', 'programs do not agree on a field of the image', {
      found: alike.map(member => member.name).join(', '),
      wanted: `${name}, once and in this case`,
      where: { source, path: path.join('/') },
    })
  return only
}

/** The members of the object that begins at `start`. */
function members(text: string, start: number): Member[] {
  const found: Member[] = []
  let at = skipSpace(text, start + 1)
  while (text[at] === '"') {
    const nameEnd = skipValue(text, at)
    const value = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = skipValue(text, value)
    found.push({ name: JSON.parse(text.slice(at, nameEnd)) as string, start: at, value, end })
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return found
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && ' \t\r\n'.includes(text[at] ?? '')) at += 1
  return at
}

/** The end of the value that begins at `start`; the text was parsed before, so brackets match. */
function skipValue(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at += 1) {
    const character = text[at] ?? ''
    if (character === '"') {
      for (at += 1; text[at] !== '"'; at += 1) if (text[at] === '\\') at += 1
      if (depth === 0) return at + 1
    } else if (character === '{' || character === '[') depth += 1
    else if (character === '}' || character === ']') {
      if (depth === 0) return at
      depth -= 1
      if (depth === 0) return at + 1
    } else if (depth === 0 && ', \t\r\n'.includes(character)) return at
  }
  return text.length
}
