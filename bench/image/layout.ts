// Writes OCI layouts of any size: layers are made, hashed and compressed piece by piece.

import { createHash } from 'node:crypto'
import { createWriteStream, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip, createZstdCompress } from 'node:zlib'

export interface LayerToWrite {
  readonly tar: Iterable<Uint8Array>
  readonly compression: 'gzip' | 'zstd' | 'none'
  /** Of zstd, as a power of two; its own choice when left out. */
  readonly windowLog?: number
  /** Of gzip; 6 when left out. */
  readonly level?: number
  /** What the history says of it. */
  readonly description?: string
}

export interface ImageToWrite {
  readonly layers: Iterable<LayerToWrite>
  readonly labels?: (diffIds: readonly string[]) => Readonly<Record<string, string>>
}

/** One image, named `image`, and the same without its labels, named `plain`; gives the sum of its layers in bytes, compressed and plain. */
export async function writeLargeLayout(
  directory: string,
  { layers, labels }: ImageToWrite,
): Promise<{ readonly stored: number; readonly plain: number; readonly digest: string }> {
  const blobs = join(directory, 'blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  const rows: { mediaType: string; digest: string; size: number }[] = []
  const diffIds: string[] = []
  const history: { created_by: string }[] = []
  let plain = 0
  for (const { tar, compression, windowLog, level = 6, description = 'layer' } of layers) {
    const [before, after] = [createHash('sha256'), createHash('sha256')]
    const part = join(blobs, 'part')
    async function* hashed(
      bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
      hash: typeof before,
      count: boolean,
    ) {
      for await (const chunk of bytes) {
        hash.update(chunk)
        if (count) plain += chunk.length
        yield chunk
      }
    }
    const params = windowLog === undefined ? {} : { [constants.ZSTD_c_windowLog]: windowLog }
    const packer =
      compression === 'gzip'
        ? createGzip({ level })
        : compression === 'zstd'
          ? createZstdCompress({ params })
          : new PassThrough()
    await pipeline(
      Readable.from(hashed(tar, before, true)),
      packer,
      (bytes: AsyncIterable<Uint8Array>) => hashed(bytes, after, false),
      createWriteStream(part),
    )
    const hex = after.digest('hex')
    renameSync(part, join(blobs, hex))
    const size = statSync(join(blobs, hex)).size
    rows.push({
      mediaType: `application/vnd.oci.image.layer.v1.tar${compression === 'none' ? '' : `+${compression}`}`,
      digest: `sha256:${hex}`,
      size,
    })
    history.push({ created_by: description })
    diffIds.push(`sha256:${before.digest('hex')}`)
  }
  const put = (mediaType: string, value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value))
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(blobs, hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
  }
  const image = (name: string, own: Readonly<Record<string, string>>) => {
    const config = put('application/vnd.oci.image.config.v1+json', {
      architecture: 'amd64',
      os: 'linux',
      config: { Labels: own },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history,
    })
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const manifest = put(mediaType, { schemaVersion: 2, mediaType, config, layers: rows })
    return { ...manifest, annotations: { 'org.opencontainers.image.ref.name': name } }
  }
  const manifest = image('image', labels?.(diffIds) ?? {})
  writeFileSync(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [manifest, image('plain', {})] }),
  )
  writeFileSync(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  return { stored: rows.reduce((sum, row) => sum + row.size, 0), plain, digest: manifest.digest }
}
