// The pure functions that fetching a repository needs, in one value: edge may not import formats, so commands hand this over.

import { resolveLocation } from './location.ts'
import { readPrimary } from './primary.ts'
import { parseRepomd } from './repomd.ts'

export const repositoryFormats = { parseRepomd, readPrimary, resolveLocation } as const
export type RepositoryFormats = typeof repositoryFormats
