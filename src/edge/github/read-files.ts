// The YAML files below one directory of one commit, by git trees and blobs. docs.github.com/rest/git.

import { ToolError } from '../../errors.ts'
import { type Api, asked } from './api.ts'

/** Ceilings: one request per file, and no manifest is that long. */
const mostFiles = 1000
const longestFile = 1024 * 1024
const atOnce = 8

interface Entry {
  readonly path: string
  readonly mode: string
  readonly type: string
  readonly sha: string
  readonly size: number
}

const reading = { doing: 'reading files', right: 'contents: read', notFound: 'GITOPS_NOT_FOUND' } as const

/**
 * Path from the top of the repository → text, for every *.yaml and *.yml below the directory ('' is the top). A directory that does
 * not exist yet is empty. Throws SETTING_INVALID when the directory is a file, a symbolic link or a submodule, LAYOUT_NOT_SUPPORTED
 * for a YAML file that is a symbolic link, CEILING_REACHED, YAML_INVALID for text that is not UTF-8, GITHUB_ERROR for a list that
 * GitHub cut short.
 */
export async function readYamlFiles(api: Api, rootTree: string, directory: string): Promise<Map<string, string>> {
  const tree = await findDirectory(api, rootTree, directory)
  if (tree === undefined) return new Map()
  const prefix = directory === '' ? '' : `${directory}/`
  const entries = (await listTree(api, tree, true))
    .filter(({ path, type }) => type === 'blob' && /\.ya?ml$/.test(path))
    .map(entry => ({ ...entry, path: prefix + entry.path }))
  checkEntries(entries)
  const texts = await readBlobs(api, entries)
  return new Map(entries.map(({ path, sha }) => [path, decode(path, texts.get(sha) ?? new Uint8Array())]))
}

async function findDirectory(api: Api, rootTree: string, directory: string): Promise<string | undefined> {
  let tree = rootTree
  for (const name of directory === '' ? [] : directory.split('/')) {
    const entry = (await listTree(api, tree, false)).find(({ path }) => path === name)
    if (entry === undefined) return undefined
    if (entry.type !== 'tree')
      throw new ToolError('SETTING_INVALID', 'directory is not a directory of the repository', {
        found: `${name} is ${entry.mode === '120000' ? 'a symbolic link' : entry.type === 'commit' ? 'a submodule' : 'a file'}`,
        wanted: 'a directory',
        where: { path: 'directory' },
      })
    tree = entry.sha
  }
  return tree
}

async function listTree(api: Api, tree_sha: string, recursive: boolean): Promise<Entry[]> {
  const { owner, repo } = api
  const { data } = await asked(api, reading, () =>
    api.octokit.rest.git.getTree({ owner, repo, tree_sha, ...(recursive ? { recursive: 'true' } : {}) }),
  )
  if (data.truncated)
    throw new ToolError('GITHUB_ERROR', 'GitHub does not list all files of the directory', {
      found: `${data.tree.length} files and more`,
      where: { source: api.source },
      hint: 'give each cluster a directory of its own',
    })
  return data.tree.flatMap(({ path, mode, type, sha, size }) =>
    path === undefined || sha === undefined ? [] : [{ path, mode: mode ?? '', type: type ?? '', sha, size: size ?? 0 }],
  )
}

function checkEntries(entries: readonly Entry[]): void {
  const link = entries.find(({ mode }) => mode === '120000')
  if (link !== undefined)
    throw new ToolError('LAYOUT_NOT_SUPPORTED', 'a YAML file of the directory is a symbolic link', {
      found: link.path,
      wanted: 'files only',
      where: { source: link.path },
      hint: 'put the file itself into the directory',
    })
  const long = entries.find(({ size }) => size > longestFile)
  if (long === undefined && entries.length <= mostFiles) return
  throw new ToolError('CEILING_REACHED', 'the directory holds more YAML than can be read', {
    found: long === undefined ? `${entries.length} files` : `${long.path} has ${long.size} bytes`,
    wanted: long === undefined ? `at most ${mostFiles} files` : `at most ${longestFile} bytes a file`,
    where: long === undefined ? {} : { source: long.path },
    hint: 'give each cluster a directory of its own',
  })
}

async function readBlobs(api: Api, entries: readonly Entry[]): Promise<Map<string, Uint8Array>> {
  const wanted = [...new Set(entries.map(({ sha }) => sha))]
  const found = new Map<string, Uint8Array>()
  const { owner, repo } = api
  const readNext = async (): Promise<void> => {
    for (let file_sha = wanted.pop(); file_sha !== undefined; file_sha = wanted.pop()) {
      const sha = file_sha
      const { data } = await asked(api, reading, () => api.octokit.rest.git.getBlob({ owner, repo, file_sha: sha }))
      found.set(sha, new Uint8Array(Buffer.from(data.content, 'base64')))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, readNext))
  return found
}

/** A byte order mark stays: it is a byte of the file. */
function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new ToolError('YAML_INVALID', 'the file is not UTF-8', { where: { source: path } })
  }
}
