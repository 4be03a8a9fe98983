// The files of an OCI layout: in a directory, or in a tar archive (oci-archive of containers-transports(5)).

import { constants, type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import { archiveBlock, checkPaxRecords, parseArchiveHeader } from '../formats/oci/archive-header.ts'
import { documentCeiling } from '../formats/oci/json.ts'

export interface LayoutFiles {
  /** As people name the layout, without the name of an image. */
  readonly source: string
  /** The bytes of a file by its path in the layout, from an offset on; the digest that names it is not checked here. */
  read(path: string, offset?: number): AsyncIterable<Uint8Array>
  /** A document, whole. Throws CEILING_REACHED. */
  readWhole(path: string): Promise<Uint8Array>
}

const piece = 256 * 1024

interface Extent {
  readonly file: FileHandle
  readonly start: number
  readonly size: number
}

/** Files that are no regular files are refused: a layout may come from anywhere. */
export function directoryFiles(directory: string): LayoutFiles {
  const source = `oci:${directory}`
  return layoutFiles(source, async path => {
    const file = await openPlain(
      join(directory, path),
      path,
      source,
      'oci:<directory>[:name] needs the whole directory of an OCI layout',
    )
    return { file, start: 0, size: (await file.stat()).size }
  })
}

/** Reads the headers of all members once. Throws IMAGE_INVALID, IMAGE_NOT_FOUND, CEILING_REACHED. */
export async function archiveFiles(path: string): Promise<LayoutFiles> {
  const source = `oci-archive:${path}`
  const hint = 'oci-archive:<file>[:name] needs an uncompressed tar file, as skopeo writes it'
  const members = await readMembers(await openPlain(path, '', source, hint), source)
  return layoutFiles(source, async name => {
    const member = members.get(name)
    if (member === undefined)
      throw new ToolError('IMAGE_NOT_FOUND', 'a file of the OCI layout is not in the archive', {
        wanted: name,
        where: { source, path: name },
        hint,
      })
    return { file: await openPlain(path, '', source, hint), ...member }
  })
}

function layoutFiles(source: string, find: (path: string) => Promise<Extent>): LayoutFiles {
  return {
    source,
    async *read(path, offset = 0) {
      const { file, start, size } = await find(path)
      try {
        for (let at = offset; at < size; ) {
          const { bytesRead, buffer } = await file.read(
            Buffer.allocUnsafe(piece),
            0,
            Math.min(piece, size - at),
            start + at,
          )
          if (bytesRead === 0) return
          yield buffer.subarray(0, bytesRead)
          at += bytesRead
        }
      } finally {
        await file.close()
      }
    },
    async readWhole(path) {
      const { file, start, size } = await find(path)
      try {
        if (size > documentCeiling)
          throw new ToolError('CEILING_REACHED', `${path} is too large`, {
            found: `${size} bytes`,
            wanted: `at most ${documentCeiling}`,
            where: { source, path },
          })
        const bytes = new Uint8Array(size)
        const { bytesRead } = await file.read(bytes, 0, size, start)
        return bytes.subarray(0, bytesRead)
      } finally {
        await file.close()
      }
    },
  }
}

/** Members of an image: three files, and blobs; a registry's image has fewer than 500 layers. */
const memberCeiling = 10_000

/** Only what has one meaning is read: of two members of a name containers/image, which unpacks the archive, takes the last. */
async function readMembers(
  file: FileHandle,
  source: string,
): Promise<ReadonlyMap<string, { readonly start: number; readonly size: number }>> {
  try {
    const { size: end } = await file.stat()
    const members = new Map<string, { start: number; size: number }>()
    let count = 0
    for (let at = 0; at < end; ) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(archiveBlock), 0, archiveBlock, at)
      const member = parseArchiveHeader(buffer.subarray(0, bytesRead), source, at)
      if (member === undefined) break
      const start = at + archiveBlock
      if (start + member.size > end)
        throw new ToolError('IMAGE_INVALID', 'the OCI archive ends inside of a file', {
          found: `${end} bytes`,
          wanted: `at least ${start + member.size}`,
          where: { source, path: member.name, offset: at },
        })
      count += 1
      if (count > memberCeiling)
        throw new ToolError('CEILING_REACHED', 'the OCI archive has too many files', {
          wanted: `at most ${memberCeiling}`,
          where: { source },
        })
      if (member.kind === 'pax') checkPaxRecords(await readRecords(file, start, member.size, source), source, start)
      else if (members.has(member.name))
        throw new ToolError('IMAGE_INVALID', 'the OCI archive has a file twice', {
          found: member.name,
          wanted: 'each file once',
          where: { source, path: member.name, offset: at },
        })
      if (member.kind === 'file') members.set(member.name, { start, size: member.size })
      at = start + Math.ceil(member.size / archiveBlock) * archiveBlock
    }
    return members
  } finally {
    await file.close()
  }
}

/** Times, owners and attributes of one file. */
const recordsCeiling = 1024 ** 2

async function readRecords(file: FileHandle, start: number, size: number, source: string): Promise<Uint8Array> {
  if (size > recordsCeiling)
    throw new ToolError('CEILING_REACHED', 'the OCI archive has too large a pax header', {
      found: `${size} bytes`,
      wanted: `at most ${recordsCeiling}`,
      where: { source, offset: start },
    })
  const { bytesRead, buffer } = await file.read(new Uint8Array(size), 0, size, start)
  return buffer.subarray(0, bytesRead)
}

async function openPlain(full: string, path: string, source: string, hint: string): Promise<FileHandle> {
  const where = { source, ...(path === '' ? {} : { path }) }
  let file: FileHandle
  try {
    file = await open(full, constants.O_RDONLY | constants.O_NONBLOCK | (path === '' ? 0 : constants.O_NOFOLLOW))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new ToolError(
      code === 'ENOENT' ? 'IMAGE_NOT_FOUND' : 'IMAGE_INVALID',
      'a file of the OCI layout cannot be opened',
      { found: code ?? 'an error', wanted: 'a regular file', where, hint, cause },
    )
  }
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new ToolError('IMAGE_INVALID', 'a file of the OCI layout is not a regular file', { where })
}
