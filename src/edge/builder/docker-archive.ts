// What `docker save` writes, as an OCI layout: moby image/spec v1.2 (manifest.json in a tar archive), image-spec image-layout.md.

import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, open, rename, writeFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { ToolError } from '../../errors.ts'
import { compressionOf, plainBytes } from '../decompress.ts'
import { sha256Digest } from '../verified-stream.ts'
import { withTime } from './layer-times.ts'

export interface SavedImageOptions {
  /** diff IDs of the base: its layers are taken as they are. */
  readonly lower: readonly string[]
  /** For image and new layers, in seconds since 1970; undefined leaves them as they come. */
  readonly time: number | undefined
}

interface StoredBlob {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const block = 512
const documentCeiling = 4 * 1024 * 1024
const layerType = 'application/vnd.oci.image.layer.v1.tar'

/** Writes the one image of the archive as a layout. Throws BUILD_FAILED when the archive is not what docker writes, or the image does not begin with the base's layers. */
export async function layoutOfSaved(archive: string, directory: string, options: SavedImageOptions): Promise<void> {
  const saved = await openSaved(archive)
  const [image] = JSON.parse((await saved.document('manifest.json')).toString()) as SavedManifest[]
  if (image === undefined) throw invalid('no image')
  const config = JSON.parse((await saved.document(image.Config)).toString()) as SavedConfig
  const { diff_ids: diffIds } = config.rootfs
  if (image.Layers.length !== diffIds.length || options.lower.some((diffId, index) => diffIds[index] !== diffId))
    throw invalid(`layers ${diffIds.join(', ')}`)
  const blobs = join(directory, 'blobs', 'sha256')
  await mkdir(blobs, { recursive: true })
  const layers: StoredBlob[] = []
  const newIds: string[] = []
  for (const [index, path] of image.Layers.entries()) {
    if (index < options.lower.length) {
      layers.push(await storeAsIs(saved, path, blobs))
      newIds.push(diffIds[index] ?? '')
    } else {
      const { blob, diffId } = await storeNew(saved, path, blobs, options.time)
      layers.push(blob)
      newIds.push(diffId)
    }
  }
  const configBytes = Buffer.from(JSON.stringify(imageConfig(config, newIds, options)))
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: await storeDocument(configBytes, 'application/vnd.oci.image.config.v1+json', blobs),
      layers,
    }),
  )
  const row = await storeDocument(manifest, 'application/vnd.oci.image.manifest.v1+json', blobs)
  const index = {
    schemaVersion: 2,
    manifests: [{ ...row, annotations: { 'org.opencontainers.image.ref.name': 'layered' } }],
  }
  await writeFile(join(directory, 'index.json'), JSON.stringify(index))
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
}

interface SavedManifest {
  readonly Config: string
  readonly Layers: readonly string[]
}

interface SavedConfig {
  readonly created?: string
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] }
  readonly history?: readonly { readonly created?: string; readonly empty_layer?: boolean }[]
  readonly [key: string]: unknown
}

/** Keys of image-spec config.md; docker's others hold names of containers and of its own version. */
const configKeys = ['author', 'architecture', 'os', 'os.version', 'os.features', 'variant', 'config'] as const

function imageConfig(config: SavedConfig, diffIds: readonly string[], { lower, time }: SavedImageOptions): object {
  const created = time === undefined ? config.created : new Date(time * 1000).toISOString().replace('.000Z', 'Z')
  let layers = 0
  const history = config.history?.map(row => {
    const above = layers >= lower.length
    if (row.empty_layer !== true) layers += 1
    return above && time !== undefined ? { ...row, created } : row
  })
  return {
    ...(created === undefined ? {} : { created }),
    ...Object.fromEntries(configKeys.flatMap(key => (config[key] === undefined ? [] : [[key, config[key]]]))),
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...(history === undefined ? {} : { history }),
  }
}

async function storeDocument(bytes: Uint8Array, mediaType: string, blobs: string): Promise<StoredBlob> {
  const digest = sha256Digest(bytes)
  await writeFile(join(blobs, digest.slice('sha256:'.length)), bytes)
  return { mediaType, digest, size: bytes.length }
}

async function storeAsIs(saved: Saved, path: string, blobs: string): Promise<StoredBlob> {
  const compression = compressionOf(await saved.head(path), path)
  const mediaType = compression === 'none' ? layerType : `${layerType}+${compression}`
  return await storeBlob(saved.read(path), mediaType, blobs)
}

async function storeNew(
  saved: Saved,
  path: string,
  blobs: string,
  time: number | undefined,
): Promise<{ readonly blob: StoredBlob; readonly diffId: string }> {
  const hash = createHash('sha256')
  const plain = plainBytes(saved.read(path), path)
  async function* hashed(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of time === undefined ? plain : withTime(plain, time)) {
      hash.update(chunk)
      yield chunk
    }
  }
  const packed = Readable.from(hashed(), { objectMode: false }).compose(createGzip())
  const blob = await storeBlob(packed as AsyncIterable<Uint8Array>, `${layerType}+gzip`, blobs)
  return { blob, diffId: `sha256:${hash.digest('hex')}` }
}

async function storeBlob(bytes: AsyncIterable<Uint8Array>, mediaType: string, blobs: string): Promise<StoredBlob> {
  const hash = createHash('sha256')
  let size = 0
  const unnamed = join(blobs, 'unnamed')
  async function* watched(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of bytes) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
    }
  }
  await pipeline(watched(), createWriteStream(unnamed))
  const hex = hash.digest('hex')
  await rename(unnamed, join(blobs, hex))
  return { mediaType, digest: `sha256:${hex}`, size }
}

interface Saved {
  read(path: string): AsyncIterable<Uint8Array>
  head(path: string): Promise<Uint8Array>
  document(path: string): Promise<Buffer>
}

interface Member {
  readonly start: number
  readonly size: number
  /** Of a symbolic link: docker stores a layer that comes twice once. */
  readonly target?: string
}

async function openSaved(archive: string): Promise<Saved> {
  const members = await readMembers(archive)
  const find = (path: string): Member => {
    const member = members.get(path)
    const link = member?.target
    const found = link === undefined ? member : members.get(posix.join(posix.dirname(path), link))
    if (found === undefined || found.target !== undefined) throw invalid(`no ${path}`)
    return found
  }
  async function* read(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const { start, size } = find(path)
    if (size === 0) return
    const file = await open(archive)
    try {
      yield* file.createReadStream({ start, end: start + size - 1, autoClose: false, highWaterMark: 256 * 1024 })
    } finally {
      await file.close()
    }
  }
  const part = async (path: string, most: number): Promise<Buffer> => {
    const { start, size } = find(path)
    const file = await open(archive)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, most)), 0, Math.min(size, most), start)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }
  return {
    read,
    head: path => part(path, 8),
    async document(path) {
      if (find(path).size > documentCeiling) throw invalid(`${path} of ${find(path).size} bytes`)
      return await part(path, documentCeiling)
    },
  }
}

/** Names are short here: directories and files are named by digests. */
async function readMembers(archive: string): Promise<ReadonlyMap<string, Member>> {
  const members = new Map<string, Member>()
  const file = await open(archive)
  try {
    for (let at = 0; ; ) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(block), 0, block, at)
      if (bytesRead < block || buffer.every(byte => byte === 0)) return members
      const text = (from: number, to: number) => buffer.toString('latin1', from, to).split('\0')[0] ?? ''
      const size = buffer[124] === 0x80 ? Number(buffer.readBigUInt64BE(128)) : Number.parseInt(text(124, 136), 8)
      if (!Number.isSafeInteger(size) || text(257, 262) !== 'ustar') throw invalid(`a broken header at ${at}`)
      const type = text(156, 157)
      const start = at + block
      if (type === '' || type === '0') members.set(text(0, 100), { start, size })
      else if (type === '2') members.set(text(0, 100), { start, size: 0, target: text(157, 257) })
      at = start + Math.ceil(size / block) * block
    }
  } finally {
    await file.close()
  }
}

function invalid(found: string): ToolError {
  return new ToolError('BUILD_FAILED', 'docker exported another image than it was asked for', { found })
}
