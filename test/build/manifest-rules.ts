// Judges manifests as a cluster would: CRD schema with unknown fields refused, CEL rules, kind and scope; and by rules of our own.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CelInput, isCelError, run } from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'
import { Ajv, type ValidateFunction } from 'ajv'
import { load } from 'js-yaml'

type Json = { readonly [key: string]: unknown }

interface Kind {
  readonly scope: 'Cluster' | 'Namespaced'
  /** The schema as published; CEL rules stand in it. */
  readonly schema: Json
  readonly validate: ValidateFunction
}

/** What the manifests must fit beyond any schema. */
export interface Expected {
  readonly pools: readonly string[]
  readonly namespace: string
}

export interface ManifestJudge {
  /** Every fault of a manifest; with `old`, as a change of that object. */
  faults(manifest: unknown, expected: Expected, old?: unknown): string[]
}

const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })
const dnsName = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'
const labelKey = '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'
const labelValue = '^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$'

/** ObjectMeta as far as a file may hold it: CRDs leave it open, the API server does not. */
const objectMeta: Json = {
  type: 'object',
  required: ['name'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', maxLength: 253, pattern: dnsName },
    namespace: { type: 'string', maxLength: 63, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' },
    labels: {
      type: 'object',
      propertyNames: { pattern: labelKey },
      additionalProperties: { type: 'string', pattern: labelValue },
    },
    annotations: { type: 'object', propertyNames: { pattern: labelKey }, additionalProperties: { type: 'string' } },
  },
}

/** Core kinds have no CRD: kubernetes api/openapi-spec, v1 ConfigMap. */
const configMap: Json = {
  type: 'object',
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    immutable: { type: 'boolean' },
    data: { type: 'object', additionalProperties: { type: 'string' } },
    binaryData: { type: 'object', additionalProperties: { type: 'string' } },
  },
}

/** Reads every CustomResourceDefinition of a folder. */
export function loadManifestJudge(folder: string): ManifestJudge {
  const kinds = new Map<string, Kind>([['v1 ConfigMap', kindOf('Namespaced', configMap)]])
  for (const file of readdirSync(folder).filter(name => name.endsWith('.yaml'))) {
    const definition = load(readFileSync(join(folder, file), 'utf8'))
    const group = String(at(definition, 'spec', 'group'))
    const scope = at(definition, 'spec', 'scope') === 'Cluster' ? 'Cluster' : 'Namespaced'
    for (const version of list(at(definition, 'spec', 'versions')))
      kinds.set(
        `${group}/${String(at(version, 'name'))} ${String(at(definition, 'spec', 'names', 'kind'))}`,
        kindOf(scope, object(at(version, 'schema', 'openAPIV3Schema'))),
      )
  }
  return { faults: (manifest, expected, old) => judge(kinds, manifest, expected, old) }
}

function kindOf(scope: Kind['scope'], schema: Json): Kind {
  const closed = object(closedSchema(schema))
  const properties = { ...object(closed.properties), metadata: objectMeta }
  const required = ['apiVersion', 'kind', 'metadata', ...list(schema.required)]
  return { scope, schema, validate: ajv.compile({ ...closed, properties, required }) }
}

function judge(kinds: ReadonlyMap<string, Kind>, manifest: unknown, expected: Expected, old: unknown): string[] {
  const key = `${String(at(manifest, 'apiVersion'))} ${String(at(manifest, 'kind'))}`
  const kind = kinds.get(key)
  if (kind === undefined) return [`no such kind: ${key}`]
  const structure = kind.validate(manifest)
    ? []
    : (kind.validate.errors ?? []).map(error => `schema${error.instancePath}: ${error.message}`)
  return [
    ...structure,
    ...celFaults(kind.schema, manifest, old, key),
    ...scopeFaults(kind.scope, manifest, expected),
    ...ownFaults(manifest, expected),
  ]
}

/** additionalProperties: false wherever a schema lists its properties and does not keep unknown ones. */
function closedSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closedSchema)
  if (!isObject(schema)) return schema
  const { nullable, ...members } = Object.fromEntries(
    Object.entries(schema).map(([key, member]) => [key, closedSchema(member)]),
  )
  const open = schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties !== undefined
  const whole = isObject(schema.properties) && !open ? { ...members, additionalProperties: false } : members
  return nullable === true ? { anyOf: [{ type: 'null' }, whole] } : whole
}

/** x-kubernetes-validations of every value that is there. Rules about oldSelf hold for changes only. */
function celFaults(schema: unknown, value: unknown, old: unknown, path: string): string[] {
  if (value === undefined || value === null) return []
  const rules = list(at(schema, 'x-kubernetes-validations')).flatMap(entry => {
    const rule = String(at(entry, 'rule'))
    if (/\boldSelf\b/.test(rule) && old === undefined) return []
    const bindings = { self: celValue(value), ...(old === undefined ? {} : { oldSelf: celValue(old) }) }
    // the API server has these string functions too (kubernetes apiserver/pkg/cel/environment)
    const result = run(rule, bindings, { funcs: strings })
    if (isCelError(result)) return [`CEL ${path}: ${rule} cannot be evaluated: ${result.message}`]
    return result === true ? [] : [`CEL ${path}: ${String(at(entry, 'message') ?? rule)}`]
  })
  const members = Object.entries(object(at(schema, 'properties'))).flatMap(([key, member]) =>
    celFaults(member, at(value, key), at(old, key), `${path}.${key}`),
  )
  const items = list(value).flatMap((item, index) =>
    celFaults(at(schema, 'items'), item, undefined, `${path}[${index}]`),
  )
  return [...rules, ...members, ...items]
}

function celValue(value: unknown): CelInput {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(celValue)
  if (isObject(value)) return new Map(Object.entries(value).map(([key, member]) => [key, celValue(member)]))
  return typeof value === 'string' || typeof value === 'boolean' ? value : null
}

function scopeFaults(scope: Kind['scope'], manifest: unknown, { namespace }: Expected): string[] {
  const found = at(manifest, 'metadata', 'namespace')
  if (scope === 'Cluster') return found === undefined ? [] : ['scope: a cluster-scoped object has a namespace']
  return found === namespace ? [] : [`scope: namespace is ${String(found)}, wanted ${namespace}`]
}

const pinned = /^[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d+)?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+@sha256:([0-9a-f]{64})$/

/** D2, the pool's label, and the names. */
function ownFaults(manifest: unknown, { pools }: Expected): string[] {
  const name = String(at(manifest, 'metadata', 'name'))
  if (at(manifest, 'kind') === 'MachineConfig') {
    const role = at(manifest, 'metadata', 'labels', 'machineconfiguration.openshift.io/role')
    return [
      ...(pinned.test(String(at(manifest, 'spec', 'osImageURL')))
        ? []
        : ['own: osImageURL is not registry/repo@sha256:…']),
      ...(typeof role === 'string' && pools.includes(role) ? [] : [`own: role label is ${String(role)}`]),
    ]
  }
  if (at(manifest, 'kind') !== 'ApprovedImage') return []
  const hex = pinned.exec(String(at(manifest, 'spec', 'image')))?.[1]
  if (hex === undefined) return ['own: image is not registry/repo@sha256:…']
  return name === `osimg-${hex.slice(0, 32)}` ? [] : [`own: name is ${name}, which is not that of the digest`]
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const object = (value: unknown): Json => (isObject(value) ? value : {})
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function at(value: unknown, ...steps: readonly string[]): unknown {
  let found = value
  for (const step of steps) found = isObject(found) ? found[step] : undefined
  return found
}
