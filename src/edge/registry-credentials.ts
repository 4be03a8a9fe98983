// Credentials for registries, as podman and docker keep them: containers-auth.json(5), and docker's config.json with its helpers.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import { askCredentialHelper, isHelperName } from './credential-program.ts'

export type RegistryCredential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly username: string; readonly identityToken: string }
  | { readonly kind: 'registry-token'; readonly registryToken: string }

/** Looks credentials up; prints as stars. */
export interface RegistryCredentials {
  /** The entry with the longest prefix of registry/repository, or what a credential helper says. */
  find(registry: string, repository: string): Promise<RegistryCredential | undefined>
  /** Whether there are credentials for the registry or a part of it. */
  knows(registry: string): Promise<boolean>
  /** Why helpers that were asked gave nothing: `docker-credential-x: exit code 1`. */
  helperFaults(): readonly string[]
  toJSON(): string
}

interface AuthFile {
  readonly source: string
  readonly entries: ReadonlyMap<string, RegistryCredential>
  /** Registry or prefix → name of the helper. */
  readonly helpers: ReadonlyMap<string, string>
  /** The helper for all others. */
  readonly store: string | undefined
}

export interface CredentialPlaces {
  /** REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, HOME, DOCKER_CONFIG are read from here. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** A pull secret's text (`.dockerconfigjson`); asked before every file. Its helpers are not run: it comes from a cluster. */
  readonly pullSecret?: string | undefined
}

/**
 * Reads the auth files in podman's order; with REGISTRY_AUTH_FILE only that one. Absent default files are fine.
 * Throws FILE_NOT_FOUND for REGISTRY_AUTH_FILE and INPUT_INVALID for a file that is not an auth file.
 */
export async function readRegistryCredentials(places: CredentialPlaces): Promise<RegistryCredentials> {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, HOME, DOCKER_CONFIG } = places.environment
  const files: AuthFile[] = []
  if (places.pullSecret !== undefined)
    files.push({ ...parseAuthFile(places.pullSecret, 'pull-secret'), helpers: new Map(), store: undefined })
  if (REGISTRY_AUTH_FILE) {
    const text = await readIfThere(REGISTRY_AUTH_FILE)
    if (text === undefined)
      throw new ToolError('FILE_NOT_FOUND', 'the file of REGISTRY_AUTH_FILE is not there', {
        where: { source: REGISTRY_AUTH_FILE },
      })
    files.push(parseAuthFile(text, REGISTRY_AUTH_FILE))
  } else {
    const candidates = [
      XDG_RUNTIME_DIR && join(XDG_RUNTIME_DIR, 'containers/auth.json'),
      HOME && join(HOME, '.config/containers/auth.json'),
      DOCKER_CONFIG ? join(DOCKER_CONFIG, 'config.json') : HOME && join(HOME, '.docker/config.json'),
    ]
    for (const path of candidates) {
      const text = path ? await readIfThere(path) : undefined
      if (path && text !== undefined) files.push(parseAuthFile(text, path))
    }
  }
  return credentialsOf(files, places.environment)
}

export const noCredentials: RegistryCredentials = credentialsOf([], {})

function credentialsOf(files: readonly AuthFile[], environment: CredentialPlaces['environment']): RegistryCredentials {
  const faults = new Map<string, string>()
  const answers = new Map<string, Promise<RegistryCredential | undefined>>()
  const ask = (helper: string, server: string): Promise<RegistryCredential | undefined> => {
    const key = `${helper} ${server}`
    const known = answers.get(key)
    if (known !== undefined) return known
    const asked = askCredentialHelper(helper, server, environment).then(answer => {
      if (answer.kind !== 'none') return answer
      faults.set(helper, answer.fault)
      return undefined
    })
    answers.set(key, asked)
    return asked
  }
  const findIn = async (
    { entries, helpers, store }: AuthFile,
    registry: string,
    keys: readonly string[],
  ): Promise<RegistryCredential | undefined> => {
    for (const key of keys) {
      const helper = helpers.get(key)
      const found = (helper === undefined ? undefined : await ask(helper, key)) ?? entries.get(key)
      if (found !== undefined) return found
    }
    if (store === undefined) return undefined
    // docker keeps its own registry under this name
    return await ask(store, registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry)
  }
  const find: RegistryCredentials['find'] = async (registry, repository) => {
    const keys = prefixes(registry, repository)
    for (const file of files) {
      const found = await findIn(file, registry, keys)
      if (found !== undefined) return found
    }
    return undefined
  }
  return {
    find,
    knows: async registry => {
      const names = namesOf(registry)
      const within = (key: string) => names.some(name => key === name || key.startsWith(`${name}/`))
      if (files.some(({ entries, helpers }) => [...entries.keys(), ...helpers.keys()].some(within))) return true
      return (await find(registry, '')) !== undefined
    },
    helperFaults: () => [...faults].map(([helper, fault]) => `docker-credential-${helper}: ${fault}`),
    toJSON: () => '***',
  }
}

/** Docker Hub has two more names. */
function namesOf(registry: string): string[] {
  return registry === 'docker.io' ? ['docker.io', 'index.docker.io', 'registry-1.docker.io'] : [registry]
}

/** registry/a/b, registry/a, registry. */
function prefixes(registry: string, repository: string): string[] {
  const parts = repository === '' ? [] : repository.split('/')
  return namesOf(registry).flatMap(name =>
    [...parts.keys(), parts.length]
      .reverse()
      .map(count => (count === 0 ? name : `${name}/${parts.slice(0, count).join('/')}`)),
  )
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new ToolError('INPUT_INVALID', 'an auth file cannot be read', {
      found: code ?? 'an error',
      where: { source: path },
      cause,
    })
  }
}

/** Reads one auth file; errors never show its contents. */
export function parseAuthFile(text: string, source: string): AuthFile {
  const refuse = (found: string): never => {
    throw new ToolError('INPUT_INVALID', 'not an auth file', {
      found,
      wanted: 'a JSON object with auths, as podman login writes it',
      where: { source },
    })
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return refuse('no JSON')
  }
  if (!isObject(document)) return refuse('no object')
  const auths = document.auths ?? {}
  const credHelpers = document.credHelpers ?? {}
  if (!isObject(auths) || !isObject(credHelpers)) return refuse('auths or credHelpers that are no objects')
  const entries = new Map<string, RegistryCredential>()
  for (const [key, value] of Object.entries(auths)) {
    if (!isObject(value)) return refuse(`an entry of ${key} that is no object`)
    const credential = readEntry(value)
    if (credential === 'wrong') return refuse(`an auth of ${key} that is not base64 of user:password`)
    if (credential !== undefined) entries.set(normalized(key), credential)
  }
  const helpers = new Map<string, string>()
  for (const [key, name] of Object.entries(credHelpers)) {
    if (!isHelperName(name)) return refuse(`a helper of ${key} that is no name of a program`)
    helpers.set(normalized(key), name)
  }
  const { credsStore } = document
  const store = credsStore === '' ? undefined : credsStore
  if (store !== undefined && !isHelperName(store)) return refuse('a credsStore that is no name of a program')
  return { source, entries, helpers, store }
}

function readEntry(entry: Readonly<Record<string, unknown>>): RegistryCredential | 'wrong' | undefined {
  const text = (name: string) => (typeof entry[name] === 'string' && entry[name] !== '' ? entry[name] : undefined)
  const registryToken = text('registrytoken')
  if (registryToken !== undefined) return { kind: 'registry-token', registryToken }
  let [username, password] = [text('username'), text('password')]
  const auth = text('auth')
  if (auth !== undefined) {
    const decoded = Buffer.from(auth, 'base64').toString('utf8')
    const colon = decoded.indexOf(':')
    if (colon < 0) return 'wrong'
    username = decoded.slice(0, colon)
    // docker pads with NUL bytes in files of old versions
    password = decoded.slice(colon + 1).replace(/\0+$/, '')
  }
  const identityToken = text('identitytoken')
  if (identityToken !== undefined) return { kind: 'identity-token', username: username ?? '', identityToken }
  return username === undefined || password === undefined ? undefined : { kind: 'password', username, password }
}

/** Keys of old files are URLs: https://index.docker.io/v1/. */
function normalized(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .replace(/\/+$/, '')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
