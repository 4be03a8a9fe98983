// Opens an image wherever a setting says it is, and reads it whole.

import type { PullAccess } from '../edge/builder/pull-access.ts'
import { openConnections, readAuthorities } from '../edge/connections.ts'
import { readSecretFile } from '../edge/files.ts'
import { defaultCacheDirectory, type LayerCache, openLayerCache } from '../edge/layer-cache.ts'
import { openArchive, openLayout } from '../edge/oci-layout.ts'
import { dockerConfigOf, isPullSecretText } from '../edge/pull-secret.ts'
import { readRegistriesConf } from '../edge/registries-conf.ts'
import { openRegistry, type RegistryClient } from '../edge/registry.ts'
import { noCredentials, type RegistryCredentials, readRegistryCredentials } from '../edge/registry-credentials.ts'
import type { Environment } from '../edge/surroundings.ts'
import type { PinnedReference } from '../formats/oci/reference.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { CacheSettings, RegistrySettings } from '../settings/settings.ts'
import type { ImageLocation } from '../settings/values.ts'

/**
 * A client for all registries, with the credentials that podman and docker would use, and those of pull-secret before them.
 * Throws FILE_NOT_FOUND and INPUT_INVALID for files that the settings name; for those of the system the first question to the client does.
 */
export async function registryOf(
  environment: Environment,
  settings: RegistrySettings,
  secrets?: Pick<Credentials, 'pullSecret'>,
): Promise<RegistryClient> {
  const open = async (): Promise<RegistryClient> => {
    const pullSecret = await readPullSecret(secrets?.pullSecret)
    return await clientWith(await readRegistryCredentials({ environment, pullSecret }), environment, settings)
  }
  const named = [settings.registriesConf, settings.caBundle, secrets?.pullSecret].some(setting => setting !== undefined)
  return named ? await open() : whenAsked(open)
}

/** Opens with the first question: an image on this machine needs no auth files, and should not fail because of them. */
function whenAsked(open: () => Promise<RegistryClient>): RegistryClient {
  let opening: Promise<RegistryClient> | undefined
  let opened: RegistryClient | undefined
  const client = async (): Promise<RegistryClient> => {
    opening ??= open()
    opened = await opening
    return opened
  }
  return {
    resolveDigest: async reference => await (await client()).resolveDigest(reference),
    openImage: async (...words) => await (await client()).openImage(...words),
    pushImage: async (...words) => await (await client()).pushImage(...words),
    insecureHosts: () => opened?.insecureHosts() ?? [],
  }
}

/** One that knows the pull secret only, as the nodes of the cluster do. Throws as `registryOf`. */
export async function nodesRegistryOf(
  environment: Environment,
  settings: RegistrySettings,
  secret: string,
): Promise<RegistryClient> {
  // REGISTRY_AUTH_FILE and HOME would add what only this machine has
  const pullSecret = await readPullSecret(secret)
  return await clientWith(await readRegistryCredentials({ environment: {}, pullSecret }), environment, settings)
}

/** One that asks as somebody without credentials. Throws as `registryOf`. */
export async function anonymousRegistryOf(
  environment: Environment,
  settings: RegistrySettings,
): Promise<RegistryClient> {
  return await clientWith(noCredentials, environment, settings)
}

async function clientWith(
  credentials: RegistryCredentials,
  environment: Environment,
  { allowInsecure, registriesConf, caBundle }: RegistrySettings,
): Promise<RegistryClient> {
  return openRegistry({
    credentials,
    registries: await readRegistriesConf({ environment, path: registriesConf }),
    connections: openConnections({
      environment,
      authorities: caBundle === undefined ? [] : await readAuthorities(caBundle),
    }),
    allowInsecure,
  })
}

/** How a builder reaches the base as `registryOf` does. Throws as that. */
export async function pullAccessOf(
  environment: Environment,
  { registriesConf, caBundle }: RegistrySettings,
  secrets: Pick<Credentials, 'pullSecret'>,
  base: PinnedReference,
): Promise<PullAccess> {
  const pullSecret = await readPullSecret(secrets.pullSecret)
  const credentials = await readRegistryCredentials({ environment, pullSecret })
  const credential = await credentials.find(base.registry, base.repository)
  return { pullSecret, credential, registriesConf, caBundle }
}

/** The JSON of auth files, out of the secret itself or the file that it names. */
async function readPullSecret(secret: string | undefined): Promise<string | undefined> {
  if (secret === undefined) return undefined
  return isPullSecretText(secret) ? dockerConfigOf(secret) : dockerConfigOf(await readSecretFile(secret, 'pull-secret'))
}

/** What earlier runs read of layers, where the settings and the machine allow it. */
export async function layerCacheOf(
  environment: Environment,
  { cache, cacheDirectory }: CacheSettings,
): Promise<LayerCache | undefined> {
  const directory = cacheDirectory ?? defaultCacheDirectory(environment)
  return cache && directory !== undefined ? await openLayerCache(directory) : undefined
}

/** Throws as the registry client and the layout reader. */
export async function openImage(
  location: Exclude<ImageLocation, { kind: 'root-file-system' }>,
  registry: RegistryClient,
  architecture: string,
): Promise<ImageSource> {
  if (location.kind === 'registry') return await registry.openImage(location.reference, architecture)
  const choice = { architecture, ...(location.tag === undefined ? {} : { name: location.tag }) }
  if (location.kind === 'oci-archive') return await openArchive(location.file, choice)
  return await openLayout(location.directory, choice)
}
