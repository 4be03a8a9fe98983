// What a builder needs to pull the base as we read it: auth file, registries.conf, authorities. containers-auth.json(5), podman-pull(1).

import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { PinnedReference } from '../../formats/oci/reference.ts'
import type { RegistryCredential } from '../registry-credentials.ts'

export interface PullAccess {
  /** Text of a pull secret; undefined: the builder looks for credentials itself. */
  readonly pullSecret: string | undefined
  /** What we use for the base; it may come from another file than the pull secret. */
  readonly credential: RegistryCredential | undefined
  /** Paths of the settings with these names. */
  readonly registriesConf: string | undefined
  readonly caBundle: string | undefined
}

export interface PreparedPull {
  readonly options: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** Writes files below `directory`, which only this user can read, and names them. */
export async function preparePull(
  { pullSecret, credential, registriesConf, caBundle }: PullAccess,
  base: PinnedReference,
  directory: string,
): Promise<PreparedPull> {
  const options: string[] = []
  const place = join(directory, 'pull')
  await mkdir(join(place, 'certificates'), { recursive: true, mode: 0o700 })
  if (pullSecret !== undefined) {
    const path = join(place, 'auth.json')
    await writeFile(path, authFileText({ pullSecret, credential }, base, `${base.registry}/${base.repository}`), {
      mode: 0o600,
    })
    options.push('--authfile', path)
  }
  if (caBundle !== undefined) {
    await copyFile(caBundle, join(place, 'certificates', 'ca.crt'))
    options.push('--cert-dir', join(place, 'certificates'))
  }
  return {
    options,
    environment: registriesConf === undefined ? {} : { CONTAINERS_REGISTRIES_CONF: resolve(registriesConf) },
  }
}

/** Takes away what `preparePull` wrote there. */
export async function removePull(directory: string): Promise<void> {
  await rm(join(directory, 'pull'), { recursive: true, force: true })
}

/** An auth file with the entries of the pull secret, and for the base what we use ourselves. docker looks for the registry, podman for the repository first. */
export function authFileText(
  { pullSecret, credential }: Pick<PullAccess, 'pullSecret' | 'credential'>,
  base: PinnedReference,
  key: string = base.registry === 'docker.io' ? 'https://index.docker.io/v1/' : base.registry,
): string {
  const { auths } = JSON.parse(pullSecret ?? '{}') as { auths?: object }
  const own = credential === undefined ? undefined : entryOf(credential)
  return JSON.stringify({ auths: { ...auths, ...(own === undefined ? {} : { [key]: own }) } })
}

function entryOf(credential: RegistryCredential): object {
  const basic = (username: string, password: string) => Buffer.from(`${username}:${password}`).toString('base64')
  if (credential.kind === 'registry-token') return { registrytoken: credential.registryToken }
  if (credential.kind === 'password') return { auth: basic(credential.username, credential.password) }
  return { auth: basic(credential.username, ''), identitytoken: credential.identityToken }
}
