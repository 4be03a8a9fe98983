// Opens an image wherever a setting says it is, and reads it whole.

import { openArchive, openLayout } from '../edge/oci-layout.ts'
import { openRegistry, type RegistryClient } from '../edge/registry.ts'
import { readRegistryCredentials } from '../edge/registry-credentials.ts'
import type { Environment } from '../edge/surroundings.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { ImageLocation } from '../settings/values.ts'

/** A client for all registries, with the credentials that podman and docker would use. */
export async function registryOf(environment: Environment, allowInsecure: boolean): Promise<RegistryClient> {
  return openRegistry({ credentials: await readRegistryCredentials({ environment }), allowInsecure })
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
