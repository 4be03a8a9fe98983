// The pure functions that fetching a repository needs, in one value: edge may not import formats, so commands hand this over.

import { resolveLocation } from './location.ts'
import { parseMetalink } from './metalink.ts'
import { parseMirrorlist } from './mirrorlist.ts'
import { readPrimary } from './primary.ts'
import { parseRepomd } from './repomd.ts'
import { parseRepositorySource } from './repository-source.ts'

export const repositoryFormats = {
  parseRepositorySource,
  parseMetalink,
  parseMirrorlist,
  parseRepomd,
  readPrimary,
  resolveLocation,
} as const
export type RepositoryFormats = typeof repositoryFormats
