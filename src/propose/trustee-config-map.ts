// ConfigMap rvps-reference-values for the upstream trustee-operator: its README (list) and config/samples/all-in-one (map).

import { ToolError } from '../errors.ts'
import type { Settings, TrusteeShape } from '../settings/settings.ts'
import { below } from './names.ts'
import type { StoredRecord } from './record.ts'
import { isRecord, type Resource, textAt, valueAt, type YamlFile } from './yaml-file.ts'
import { formatYaml } from './yaml-text.ts'

const name = 'rvps-reference-values'
/** The keys that the two shapes stand under. */
const dataKey: Readonly<Record<TrusteeShape, string>> = { list: 'reference-values.json', map: 'reference_value' }
/** PCRs that policies for these clusters read, and the names they read them by; only unified kernel images have a value for PCR 11. */
const valueNames = [
  ['4', 'tpm_pcr4'],
  ['11', 'tpm_pcr11'],
  ['11', 'snp_pcr11'],
  ['11', 'tdx_pcr11'],
  ['14', 'tpm_pcr14'],
] as const

/** Name → sha256 values, lower-case hex, sorted, each once. */
export type ReferenceValues = ReadonlyMap<string, readonly string[]>

export function configMapPath(directory: string): string {
  return below(directory, 'reference-values/rvps-reference-values.yaml')
}

/** The union over the predictions of all records that are not retired. */
export function referenceValues(records: readonly StoredRecord[]): ReferenceValues {
  const predictions = records.flatMap(({ record }) => (record.retired === undefined ? record.predictions : []))
  const entries = valueNames.map(([pcr, valueName]): [string, string[]] => {
    const values = predictions.flatMap(prediction => prediction.pcrs[pcr]?.sha256 ?? [])
    return [valueName, [...new Set(values)].sort()]
  })
  return new Map(entries.filter(([, values]) => values.length > 0))
}

/** `YYYY-MM-DDT00:00:00Z`, so many days after a day `YYYY-MM-DD`. */
export function expiration(valuesFrom: string, days: number): string {
  const start = Date.parse(`${valuesFrom}T00:00:00Z`)
  const end = new Date(start + days * 24 * 60 * 60 * 1000)
  if (Number.isNaN(end.getTime()) || end.getUTCFullYear() > 9999)
    throw new ToolError('RECORD_INVALID', 'no day that reference values can expire on', {
      found: `${valuesFrom} and ${days} days`,
      where: { path: 'valuesFrom' },
    })
  return end.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** The manifest; the shape comes from `trustee-shape`. */
export function renderConfigMap(
  settings: Pick<Settings, 'namespace' | 'valueLifetime'> & { readonly trusteeShape: TrusteeShape },
  values: ReferenceValues,
  valuesFrom: string,
): string {
  const until = expiration(valuesFrom, settings.valueLifetime)
  const content = settings.trusteeShape === 'list' ? asList(values, until) : asMap(values, until)
  return formatYaml({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: settings.namespace },
    data: { [dataKey[settings.trusteeShape]]: `${JSON.stringify(content, null, 2)}\n` },
  })
}

function asList(values: ReferenceValues, expired: string): unknown {
  return [...values].map(([valueName, hex]) => ({
    name: valueName,
    expired,
    'hash-value': hex.map(value => ({ alg: 'sha256', value })),
  }))
}

function asMap(values: ReferenceValues, until: string): unknown {
  return Object.fromEntries([...values].map(([valueName, value]) => [valueName, { expiration: until, value }]))
}

/**
 * Whether our ConfigMap may be written over what the repository holds. Throws EDIT_WOULD_TOUCH_MORE when another file defines the
 * same ConfigMap, or when ours holds anything that no record explains: writing it anew would take that away.
 */
export function checkConfigMap(
  directory: string,
  namespace: string,
  resources: readonly Resource[],
  values: ReferenceValues,
): void {
  const path = configMapPath(directory)
  for (const resource of resources) {
    const own = resource.file.path === path
    const named = resource.apiVersion === 'v1' && resource.kind === 'ConfigMap' && resource.name === name
    if (!own && named && (resource.namespace ?? namespace) === namespace)
      throw refusal(
        resource.file,
        `another file holds ConfigMap ${name}`,
        `move its values into records, then remove it`,
      )
    if (own && !(named && resource.namespace === namespace))
      throw refusal(resource.file, `the file holds ${resource.kind} ${resource.name}`, 'see whether namespace is right')
    if (own) checkNothingLost(resource, values)
  }
}

function checkNothingLost(resource: Resource, values: ReferenceValues): void {
  const entries = valueAt(resource.value, 'data')
  for (const key of isRecord(entries) ? Object.keys(entries) : []) {
    const known = key === dataKey.list || key === dataKey.map
    const held = known ? heldValues(textAt(resource.value, 'data', key) ?? '') : undefined
    const lost = held?.find(([valueName, value]) => !values.get(valueName)?.includes(value))
    if (held === undefined || lost !== undefined)
      throw refusal(
        resource.file,
        held === undefined ? `data.${key} is not of a known shape` : `no record explains a value of ${lost?.[0]}`,
        'this file is made from the records alone; put other reference values into a ConfigMap of their own',
      )
  }
}

type HeldValue = readonly [name: string, value: string]

/** Pairs of name and value in either shape, or undefined for anything else. */
function heldValues(text: string): HeldValue[] | undefined {
  const content = parseJson(text)
  if (!Array.isArray(content) && !isRecord(content)) return undefined
  const entries: [unknown, unknown][] = Array.isArray(content)
    ? content.map(entry => [valueAt(entry, 'name'), valueAt(entry, 'hash-value')])
    : Object.entries(content).map(([key, entry]) => [key, valueAt(entry, 'value')])
  const pairs: HeldValue[] = []
  for (const [key, held] of entries) {
    if (typeof key !== 'string' || !Array.isArray(held)) return undefined
    for (const item of held) {
      const value = typeof item === 'string' ? item : textAt(item, 'value')
      if (value === undefined) return undefined
      pairs.push([key, value])
    }
  }
  return pairs
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusal(file: YamlFile, found: string, hint: string): ToolError {
  return new ToolError('EDIT_WOULD_TOUCH_MORE', 'the ConfigMap of reference values cannot be written', {
    found: found.slice(0, 300),
    wanted: `ConfigMap ${name}, made from the records`,
    where: { source: file.path },
    hint,
  })
}
