// Image sources as people write them (interface §2): a reference, docker://…, oci:<directory>[:name].

import { openLayout } from '../edge/oci-layout.ts'
import type { RegistryClient } from '../edge/registry.ts'
import { ToolError } from '../errors.ts'
import { parseImageReference } from '../formats/oci/reference.ts'
import type { ImageSource } from '../image/image-source.ts'

const unsupported = ['oci-archive:', 'dir:', 'docker-archive:', 'containers-storage:']

/** Opens an image for one architecture. Throws SETTING_NOT_SUPPORTED, REFERENCE_INVALID, and the faults of layouts and registries. */
export async function openImage(text: string, registry: RegistryClient, architecture: string): Promise<ImageSource> {
  const transport = unsupported.find(one => text.startsWith(one))
  if (transport !== undefined)
    throw new ToolError('SETTING_NOT_SUPPORTED', 'a kind of image source that this version cannot read', {
      found: transport,
      wanted: 'docker://registry/repository[:tag][@digest] or oci:<directory>[:name]',
      where: { source: text },
      hint: 'skopeo copy makes an OCI layout of it: skopeo copy <source> oci:<directory>',
    })
  if (!text.startsWith('oci:')) return await registry.openImage(parseImageReference(text), architecture)
  const rest = text.slice('oci:'.length)
  const colon = rest.lastIndexOf(':')
  const name = colon < 0 ? undefined : rest.slice(colon + 1)
  const directory = colon < 0 ? rest : rest.slice(0, colon)
  if (directory === '')
    throw new ToolError('REFERENCE_INVALID', 'an OCI layout without a directory', {
      found: text,
      wanted: 'oci:<directory>[:name]',
      where: { source: text },
    })
  return await openLayout(directory, { architecture, ...(name === undefined || name === '' ? {} : { name }) })
}
