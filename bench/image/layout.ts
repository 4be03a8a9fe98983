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
}

/** One image, named `image`; gives the sum of its layers in bytes, compressed and plain. */
export async function writeLargeLayout(
  directory: string,
  layers: Iterable<LayerToWrite>,
): Promise<{ readonly stored: number; readonly plain: number; readonly digest: string }> {
  const blobs = join(directory, 'blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  const rows: { mediaType: string; digest: string; size: number }[] = []
  const diffIds: string[] = []
  let plain = 0
  for (const { tar, compression, windowLog, level = 6 } of layers) {
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
    diffIds.push(`sha256:${before.digest('hex')}`)
  }
  const put = (mediaType: string, value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value))
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(blobs, hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
  }
  const config = put('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
  })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = put(mediaType, { schemaVersion: 2, mediaType, config, layers: rows })
  const annotations = { 'org.opencontainers.image.ref.name': 'image' }
  writeFileSync(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  )
  writeFileSync(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  return { stored: rows.reduce((sum, row) => sum + row.size, 0), plain, digest: manifest.digest }
}
