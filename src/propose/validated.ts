// Checked reading of our own files in the GitOps repository: strict shapes, first fault with its place.

import * as v from 'valibot'
import { ToolError } from '../errors.ts'
import { parseYamlFile, type YamlFile } from './yaml-file.ts'

/** The file's one document in the shape of the schema. Throws YAML_INVALID or RECORD_INVALID. */
export function readValidated<S extends v.GenericSchema>(schema: S, path: string, text: string): v.InferOutput<S> {
  const file = parseYamlFile(path, text)
  return checkShape(schema, oneDocument(file), path)
}

/** The value in the shape of the schema, keys in the schema's order. Throws RECORD_INVALID. */
export function checkShape<S extends v.GenericSchema>(schema: S, value: unknown, source: string): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  throw new ToolError('RECORD_INVALID', 'a value does not fit', {
    found: issue.received === 'undefined' ? 'nothing' : issue.received.slice(0, 200),
    wanted: wantedBy(issue).slice(0, 300),
    where: { source, path: v.getDotPath(issue) ?? '' },
    hint: 'these files are written by attested-os-update only; restore the file from the history of the repository',
  })
}

/** Rules of our own say it in their message, shapes in what they expect. */
function wantedBy({ kind, message, expected }: v.BaseIssue<unknown>): string {
  if (kind === 'validation' || expected === null) return message
  return expected === 'never' ? 'no such key' : expected
}

function oneDocument(file: YamlFile): unknown {
  const [only, ...others] = file.documents
  if (only === undefined || others.length > 0)
    throw new ToolError('RECORD_INVALID', 'the file does not hold one document', {
      found: `${file.documents.length} documents`,
      wanted: '1',
      where: { source: file.path },
    })
  return only.value
}
