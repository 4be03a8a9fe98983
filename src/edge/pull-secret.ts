// A pull secret as clusters store it: the JSON of `.dockerconfigjson`, or the Secret object around it, in YAML or JSON (kubernetes core/v1 Secret).

import { load } from 'js-yaml'
import { ToolError } from '../errors.ts'

const ceiling = 4 * 1024 * 1024

/** Whether a setting holds the secret itself and no path. */
export function isPullSecretText(secret: string): boolean {
  return /^\s*\{/.test(secret) || secret.includes('\n')
}

/**
 * The JSON that podman and docker read, out of either form. Types kubernetes.io/dockerconfigjson, and kubernetes.io/dockercfg of old clusters.
 * Throws INPUT_INVALID, which never shows contents; CEILING_REACHED.
 */
export function dockerConfigOf(text: string, source = 'pull-secret'): string {
  if (text.length > ceiling)
    throw new ToolError('CEILING_REACHED', 'the pull secret is too large', {
      wanted: `at most ${ceiling} bytes`,
      where: { source },
    })
  const document = documentOf(text)
  // anything else is judged by whoever reads auth files
  if (!isObject(document) || (document.kind === undefined && document.apiVersion === undefined)) return text
  const refuse = (found: string): never => {
    throw new ToolError('INPUT_INVALID', 'not a pull secret', {
      found,
      wanted: 'a Secret of type kubernetes.io/dockerconfigjson with data[".dockerconfigjson"], or its JSON',
      where: { source },
    })
  }
  if (document.kind !== 'Secret') return refuse(`kind ${String(document.kind).slice(0, 60)}`)
  const { type } = document
  if (type !== 'kubernetes.io/dockerconfigjson' && type !== 'kubernetes.io/dockercfg')
    return refuse(`type ${String(type).slice(0, 60)}`)
  const key = type === 'kubernetes.io/dockercfg' ? '.dockercfg' : '.dockerconfigjson'
  const plain = entryOf(document.stringData, key)
  const encoded = entryOf(document.data, key)
  const json = plain ?? (encoded === undefined ? undefined : decoded(encoded))
  if (json === undefined)
    return refuse(encoded === undefined ? `no data["${key}"]` : `data["${key}"] that is not base64`)
  if (key === '.dockerconfigjson') return json
  const auths = documentOf(json)
  return isObject(auths) ? JSON.stringify({ auths }) : refuse('a .dockercfg that is no JSON object')
}

function documentOf(text: string): unknown {
  try {
    return load(text)
  } catch {
    return undefined
  }
}

function entryOf(map: unknown, key: string): string | undefined {
  const value = isObject(map) && Object.hasOwn(map, key) ? map[key] : undefined
  return typeof value === 'string' ? value : undefined
}

function decoded(text: string): string | undefined {
  const plain = text.replace(/\s+/g, '')
  return /^[A-Za-z0-9+/]+={0,2}$/.test(plain) && plain.length % 4 === 0
    ? Buffer.from(plain, 'base64').toString('utf8')
    : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
