// Makes whole images: image config, manifest, index, and an OCI layout directory around them (OCI image-spec 1.1; Docker image manifest version 2, schema 2).

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OciDigest } from '../../src/formats/oci/digest.ts'
import { type Layer, sha256 } from './layer.ts'

export interface MadeImage {
  /** Digest of the manifest. */
  readonly digest: OciDigest
  readonly mediaType: string
  readonly manifest: Uint8Array
  readonly config: Uint8Array
  readonly configDigest: OciDigest
  readonly layers: readonly Layer[]
  /** Config and layers by digest; not the manifest. */
  readonly blobs: ReadonlyMap<OciDigest, Uint8Array>
}

export interface ImageOptions {
  readonly layers: readonly Layer[]
  readonly labels?: Readonly<Record<string, string>>
  /** Fields that replace those of the config, wrong ones too. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly architecture?: string
  readonly schema?: 'oci' | 'docker'
  /** Leave the manifest's mediaType out, as OCI allows. */
  readonly withoutMediaType?: boolean
}

export interface MadeIndex {
  readonly digest: OciDigest
  readonly mediaType: string
  readonly manifest: Uint8Array
  readonly images: readonly MadeImage[]
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const descriptor = (mediaType: string, bytes: Uint8Array) => ({
  mediaType,
  digest: sha256(bytes),
  size: bytes.length,
})

export function makeImage(options: ImageOptions): MadeImage {
  const docker = options.schema === 'docker'
  const mediaType = docker
    ? 'application/vnd.docker.distribution.manifest.v2+json'
    : 'application/vnd.oci.image.manifest.v1+json'
  const config = json({
    architecture: options.architecture ?? 'amd64',
    os: 'linux',
    config: options.labels === undefined ? {} : { Labels: options.labels },
    rootfs: { type: 'layers', diff_ids: options.layers.map(layer => layer.diffId) },
    ...options.config,
  })
  const manifest = json({
    schemaVersion: 2,
    ...(options.withoutMediaType ? {} : { mediaType }),
    config: descriptor(
      docker ? 'application/vnd.docker.container.image.v1+json' : 'application/vnd.oci.image.config.v1+json',
      config,
    ),
    layers: options.layers.map(layer => descriptor(layer.mediaType, layer.bytes)),
  })
  const configDigest = sha256(config)
  return {
    digest: sha256(manifest),
    mediaType,
    manifest,
    config,
    configDigest,
    layers: options.layers,
    blobs: new Map([[configDigest, config], ...options.layers.map(layer => [layer.digest, layer.bytes] as const)]),
  }
}

/** An index over images with their architectures; `unknown` rows are what attestations look like. */
export function makeIndex(
  rows: readonly { readonly image: MadeImage; readonly architecture: string }[],
  schema: 'oci' | 'docker' = 'oci',
): MadeIndex {
  const mediaType =
    schema === 'docker'
      ? 'application/vnd.docker.distribution.manifest.list.v2+json'
      : 'application/vnd.oci.image.index.v1+json'
  const manifest = json({
    schemaVersion: 2,
    mediaType,
    manifests: rows.map(({ image, architecture }) => ({
      ...descriptor(image.mediaType, image.manifest),
      platform: { architecture, os: architecture === 'unknown' ? 'unknown' : 'linux' },
    })),
  })
  return { digest: sha256(manifest), mediaType, manifest, images: rows.map(row => row.image) }
}

/** Writes an OCI layout with one image, or one index and its images, named `name` when given. */
export async function writeLayout(made: MadeImage | MadeIndex, directory: string, name?: string): Promise<void> {
  const blobs = join(directory, 'blobs', 'sha256')
  await mkdir(blobs, { recursive: true })
  const write = (bytes: Uint8Array) => writeFile(join(blobs, sha256(bytes).slice('sha256:'.length)), bytes)
  await write(made.manifest)
  for (const image of 'images' in made ? made.images : [made]) {
    await write(image.manifest)
    for (const bytes of image.blobs.values()) await write(bytes)
  }
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  const annotations = name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } }
  const index = {
    schemaVersion: 2,
    manifests: [{ ...descriptor(made.mediaType, made.manifest), ...annotations }],
  }
  await writeFile(join(directory, 'index.json'), JSON.stringify(index))
}
