// Replaces one string in a YAML file by its byte range: every other byte stays (design D3). YAML 1.2.2 §7, §8.

import { isMap, isScalar, isSeq, type Scalar } from 'yaml'
import { ToolError } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { isRecord, parseYamlFile, type YamlFile, type YamlStep } from './yaml-file.ts'

/** What may stand bare as a value in YAML 1.1 and 1.2, in block and flow style, and is read as this same string. */
const bare = /^[A-Za-z][A-Za-z0-9./:@_-]*[A-Za-z0-9]$/
/** What may stand between any quotes without being escaped. */
const quotable = /^[A-Za-z0-9./:@_[\]-]+$/

/**
 * The file's text with the string at `steps` of one document replaced; quotes, comments, line ends and all else kept.
 * Throws EDIT_WOULD_TOUCH_MORE when the value is an alias, anchored, tagged, a block or folded scalar or runs over several lines,
 * when something above it is an alias, anchored or merged, or when the result reads differently anywhere else.
 */
export function replaceString(file: YamlFile, document: number, steps: readonly YamlStep[], value: string): string {
  const scalar = findScalar(file, document, steps)
  const [start, end] = scalar.range ?? [0, 0]
  const written = file.text.slice(start, end)
  const quoted = /^(["']).*\1$/s.test(written)
  if (/[\r\n]/.test(written)) throw refusal(file, steps, 'the value runs over several lines')
  if (!quotable.test(value)) throw refusal(file, steps, 'the new value would need escapes')
  const replacement = quoted ? `${written[0]}${value}${written[0]}` : bare.test(value) ? value : `'${value}'`
  const text = file.text.slice(0, start) + replacement + file.text.slice(end)
  compareRest(file, parseYamlFile(file.path, text), document, steps, value)
  return text
}

function findScalar(file: YamlFile, document: number, steps: readonly YamlStep[]): Scalar {
  let node: unknown = file.documents[document]?.node.contents
  for (const step of steps) {
    refuseShared(file, steps, node)
    node = isSeq(node) && typeof step === 'number' ? node.items[step] : ownValue(file, steps, node, step)
  }
  refuseShared(file, steps, node)
  if (!isScalar(node)) throw refusal(file, steps, 'the value is not a plain string')
  if (!['PLAIN', 'QUOTE_SINGLE', 'QUOTE_DOUBLE'].includes(node.type ?? ''))
    throw refusal(file, steps, 'the value is a block or folded scalar')
  return node
}

function ownValue(file: YamlFile, steps: readonly YamlStep[], node: unknown, step: YamlStep): unknown {
  if (!isMap(node)) throw refusal(file, steps, 'the value does not stand below its own keys')
  let found: unknown
  for (const { key, value } of node.items) {
    if (!isScalar(key)) continue
    if (key.value === '<<' || typeof key.value === 'symbol') throw refusal(file, steps, 'the mapping has a merge key')
    if (key.value !== step) continue
    refuseShared(file, steps, key)
    found = value
  }
  return found
}

function refuseShared(file: YamlFile, steps: readonly YamlStep[], node: unknown): void {
  if (typeof node !== 'object' || node === null) throw refusal(file, steps, 'the value does not stand in the file')
  if ('source' in node && !isScalar(node)) throw refusal(file, steps, 'the value is an alias')
  if ('anchor' in node && node.anchor !== undefined) throw refusal(file, steps, 'the value has an anchor')
  if ('tag' in node && node.tag !== undefined) throw refusal(file, steps, 'the value has a tag')
}

function compareRest(before: YamlFile, after: YamlFile, document: number, steps: readonly YamlStep[], value: string) {
  const wanted = before.documents.map((one, index) =>
    index === document ? withValue(one.value, steps, value) : one.value,
  )
  if (canonicalJson(wanted) !== canonicalJson(after.documents.map(one => one.value)))
    throw refusal(before, steps, 'another value of the file would read differently')
}

function withValue(at: unknown, steps: readonly YamlStep[], value: string): unknown {
  const [step, ...rest] = steps
  if (step === undefined) return value
  if (Array.isArray(at)) return at.map((item, index) => (index === step ? withValue(item, rest, value) : item))
  return isRecord(at) ? { ...at, [step]: withValue(at[step], rest, value) } : at
}

function refusal(file: YamlFile, steps: readonly YamlStep[], why: string): ToolError {
  return new ToolError('EDIT_WOULD_TOUCH_MORE', why, {
    where: { source: file.path, path: steps.join('.') },
    hint: 'write the value as a plain string in its own place',
  })
}
