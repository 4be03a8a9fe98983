// YAML files of a GitOps repository: their documents and the Kubernetes resources in them. YAML 1.2.2, with the merge keys of YAML 1.1.

import { type Document, LineCounter, type ParsedNode, parseAllDocuments } from 'yaml'
import { ToolError } from '../errors.ts'

/** A longer file is refused unread: no manifest is that long, and parsing costs many times its length. */
export const yamlCeiling = 1024 * 1024

/** One step into a document: a key or an index. */
export type YamlStep = string | number

export interface YamlDocument {
  readonly node: Document.Parsed<ParsedNode>
  /** Plain data; merge keys and aliases resolved. */
  readonly value: unknown
}

export interface YamlFile {
  /** Path in the repository. */
  readonly path: string
  readonly text: string
  readonly documents: readonly YamlDocument[]
}

export interface Resource {
  readonly file: YamlFile
  /** Index of the document in the file, and the steps from its top to this resource (an item of a List has two). */
  readonly document: number
  readonly steps: readonly YamlStep[]
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace: string | undefined
  readonly value: Readonly<Record<string, unknown>>
}

/**
 * Reads every document of a file. Throws YAML_INVALID with file, line and column for broken YAML, a key that stands twice,
 * too many aliases, or a file above 1 MiB.
 */
export function parseYamlFile(path: string, text: string): YamlFile {
  if (text.length > yamlCeiling)
    throw new ToolError('YAML_INVALID', 'the file is too long', {
      found: `${text.length} characters`,
      wanted: `at most ${yamlCeiling}`,
      where: { source: path },
    })
  const lines = new LineCounter()
  try {
    const parsed = parseAllDocuments(text, {
      lineCounter: lines,
      merge: true,
      uniqueKeys: true,
      prettyErrors: false,
      logLevel: 'error',
    })
    const nodes: readonly Document.Parsed<ParsedNode>[] = Array.isArray(parsed) ? parsed : []
    return { path, text, documents: nodes.map(node => readDocument(node, path, lines)) }
  } catch (error) {
    if (error instanceof ToolError) throw error
    // The parser recurses: a file nested thousands deep ends as a RangeError.
    throw new ToolError('YAML_INVALID', 'the file cannot be read as YAML', { where: { source: path }, cause: error })
  }
}

function readDocument(node: Document.Parsed<ParsedNode>, path: string, lines: LineCounter): YamlDocument {
  const [fault] = node.errors
  if (fault !== undefined) {
    const { line, col } = lines.linePos(fault.pos[0])
    throw new ToolError('YAML_INVALID', fault.code === 'DUPLICATE_KEY' ? 'a key stands twice' : 'broken YAML', {
      found: fault.message.slice(0, 300),
      where: { source: path, line, column: col },
    })
  }
  return { node, value: plainValue(node, path, lines) }
}

function plainValue(node: Document.Parsed<ParsedNode>, path: string, lines: LineCounter): unknown {
  try {
    return node.toJS({ maxAliasCount: 100 })
  } catch (error) {
    // Only aliases can fail here: one without an anchor before it, or too many.
    if (!(error instanceof ReferenceError)) throw error
    throw new ToolError('YAML_INVALID', 'the aliases of a document cannot be resolved', {
      found: error.message.slice(0, 300),
      where: { source: path, line: lines.linePos(node.contents?.range[0] ?? 0).line },
    })
  }
}

/** The resources of a file: each document with kind and apiVersion, or the items of a List. Others are passed over. */
export function resourcesOf(file: YamlFile): Resource[] {
  return file.documents.flatMap(({ value }, document) => {
    const items = isRecord(value) && /List$/.test(String(value.kind)) ? value.items : undefined
    if (Array.isArray(items))
      return items.flatMap((item, index) => resource(file, document, ['items', index], item) ?? [])
    return resource(file, document, [], value) ?? []
  })
}

function resource(file: YamlFile, document: number, steps: readonly YamlStep[], value: unknown): Resource | undefined {
  if (!isRecord(value)) return undefined
  const { apiVersion, kind } = value
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return undefined
  const metadata = isRecord(value.metadata) ? value.metadata : {}
  const { name, namespace } = metadata
  return {
    file,
    document,
    steps,
    apiVersion,
    kind,
    name: typeof name === 'string' ? name : '',
    namespace: typeof namespace === 'string' ? namespace : undefined,
    value,
  }
}

/** The value below these keys, or undefined. */
export function valueAt(value: unknown, ...steps: readonly string[]): unknown {
  let at = value
  for (const step of steps) at = isRecord(at) && Object.hasOwn(at, step) ? at[step] : undefined
  return at
}

/** A string that is not empty, below these keys. */
export function textAt(value: unknown, ...steps: readonly string[]): string | undefined {
  const found = valueAt(value, ...steps)
  return typeof found === 'string' && found !== '' ? found : undefined
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether the resource is of this API group (any version) and kind. */
export function isOfKind(resource: Resource, group: string, kind: string): boolean {
  return resource.kind === kind && resource.apiVersion.startsWith(`${group}/`)
}

/** Line of a resource in its file, from 1. */
export function lineOf({ file, document, steps }: Resource): number {
  return lineAt(file, document, steps)
}

/** Line of the value below these steps of a document, from 1. */
export function lineAt(file: YamlFile, document: number, steps: readonly YamlStep[]): number {
  const top = file.documents[document]?.node
  const found = steps.length === 0 ? top?.contents : top?.getIn(steps, true)
  const range = isRanged(found) ? found.range : undefined
  return file.text.slice(0, range?.[0] ?? 0).split('\n').length
}

function isRanged(value: unknown): value is { range: readonly [number, number, number] } {
  return typeof value === 'object' && value !== null && 'range' in value && Array.isArray(value.range)
}
