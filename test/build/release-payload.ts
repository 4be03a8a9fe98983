// Release payloads as OpenShift and OKD publish them: an ImageStream in release-manifests/, in the highest layer of the release image.
// Names, annotations and labels: openshift/machine-config-operator pkg/osimagestream, openshift/api image/v1, openshift/os README.md.

import { directory, file, type LayerEntry, makeLayer } from './layer.ts'
import { type MadeImage, makeImage } from './oci-layout.ts'

export interface TagInput {
  readonly name: string
  /** registry/repository@sha256:… */
  readonly image: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly kind?: string
}

export const builtByOpenshiftOs = { 'io.openshift.build.source-location': 'https://github.com/openshift/os' }

export function imageReferences(tags: readonly TagInput[], name = '4.20.3'): Record<string, unknown> {
  return {
    kind: 'ImageStream',
    apiVersion: 'image.openshift.io/v1',
    metadata: {
      name,
      creationTimestamp: '2026-10-20T10:00:00Z',
      annotations: { 'release.openshift.io/from-image-stream': 'ocp/4.20' },
    },
    spec: {
      lookupPolicy: { local: false },
      tags: tags.map(({ name: tag, image, annotations = {}, kind = 'DockerImage' }) => ({
        name: tag,
        annotations,
        from: { kind, name: image },
        generation: 2,
        importPolicy: {},
        referencePolicy: { type: 'Source' },
      })),
    },
    status: { dockerImageRepository: '' },
  }
}

export const releaseMetadata = (version: string) => ({
  kind: 'cincinnati-metadata-v0',
  version,
  previous: ['4.20.1', '4.20.2'],
  metadata: { url: 'https://access.redhat.com/errata/RHBA-2026:0000' },
})

/** A release image: programs below, manifests on top. */
export function makeReleaseImage(
  references: unknown,
  { metadata, upper = [] }: { readonly metadata?: unknown; readonly upper?: readonly LayerEntry[] } = {},
): MadeImage {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  const programs = makeLayer([directory('usr'), directory('usr/bin'), file('usr/bin/cluster-version-operator', 'ELF')])
  const manifests = makeLayer([
    directory('release-manifests'),
    file('release-manifests/0000_50_example.yaml', 'kind: Namespace\n'),
    file('release-manifests/image-references', text(references)),
    ...(metadata === undefined ? [] : [file('release-manifests/release-metadata', text(metadata))]),
  ])
  return makeImage({
    layers: [programs, manifests, ...(upper.length === 0 ? [] : [makeLayer(upper)])],
    labels: { 'io.openshift.release': '4.20.3' },
  })
}
