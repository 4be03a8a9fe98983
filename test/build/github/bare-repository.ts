// A bare git repository by git's own plumbing: what stands behind the GitHub double.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TreeEntry {
  readonly mode: string
  readonly type: string
  readonly sha: string
  readonly size: number | undefined
  readonly path: string
}

/** A change of a tree: bytes to write, an object that exists already, or null to remove the path. */
export interface TreeChange {
  readonly path: string
  readonly mode: string
  readonly content: Uint8Array | string | { readonly sha: string } | null
}

export interface Commit {
  readonly sha: string
  readonly tree: string
  readonly parents: readonly string[]
  readonly author: { readonly name: string; readonly email: string; readonly date: string }
  readonly message: string
}

const nobody = '0'.repeat(40)

export class BareRepository {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /** A new repository with one commit on `branch`; no files make a repository without any commit. */
  static create(directory: string, files: Readonly<Record<string, string>>, branch = 'main'): BareRepository {
    execFileSync('git', ['init', '--quiet', '--bare', `--initial-branch=${branch}`, directory])
    const repository = new BareRepository(directory)
    if (Object.keys(files).length > 0) repository.commitFiles(branch, files, 'Start')
    return repository
  }

  git(args: readonly string[], input: Uint8Array | string = '', environment: Readonly<Record<string, string>> = {}) {
    return execFileSync('git', [...args], {
      input,
      env: {
        PATH: process.env.PATH ?? '',
        GIT_DIR: this.directory,
        GIT_CONFIG_NOSYSTEM: '1',
        HOME: '/nonexistent',
        ...environment,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 256 * 1024 * 1024,
    })
  }

  text(...args: readonly string[]): string {
    return this.git(args).toString('utf8').trimEnd()
  }

  /** The object's type, or undefined when it does not exist. */
  typeOf(sha: string): string | undefined {
    return /^[0-9a-f]{40}$/.test(sha) ? this.attempt('cat-file', '-t', sha) : undefined
  }

  /** Commit of `heads/x`, or undefined. */
  ref(name: string): string | undefined {
    return this.attempt('rev-parse', '--verify', '--quiet', `refs/${name}^{commit}`)
  }

  /** All refs as `name sha` lines: equal text means that nothing was written. */
  refs(): string {
    return this.text('for-each-ref', '--format=%(refname) %(objectname)')
  }

  isRefName(name: string): boolean {
    return this.attempt('check-ref-format', name) !== undefined
  }

  commit(sha: string): Commit {
    const format = '%H%n%T%n%P%n%an%n%ae%n%aI%n%B'
    const [id = '', tree = '', parents = '', name = '', email = '', date = '', ...message] = this.git([
      'show',
      '--no-patch',
      `--format=${format}`,
      sha,
    ])
      .toString('utf8')
      .split('\n')
    return {
      sha: id,
      tree,
      parents: parents === '' ? [] : parents.split(' '),
      author: { name, email, date: new Date(date).toISOString().replace(/\.\d+Z$/, 'Z') },
      message: message.join('\n').replace(/\n+$/, ''),
    }
  }

  blob(sha: string): Buffer {
    return this.git(['cat-file', 'blob', sha])
  }

  tree(sha: string, recursive: boolean): TreeEntry[] {
    const args = ['ls-tree', '-z', '--long', ...(recursive ? ['-r', '-t'] : []), sha]
    return this.git(args)
      .toString('utf8')
      .split('\0')
      .flatMap(line => {
        const match = /^(\d+) (\w+) ([0-9a-f]{40}) +(\d+|-)\t(.*)$/s.exec(line)
        if (match === null) return []
        const [, mode = '', type = '', object = '', size = '', path = ''] = match
        return [{ mode, type, sha: object, size: size === '-' ? undefined : Number(size), path }]
      })
  }

  /** The tree `base` with changes, by a temporary index. */
  writeTree(base: string | undefined, changes: readonly TreeChange[]): string {
    const directory = mkdtempSync(join(tmpdir(), 'index-'))
    try {
      const index = { GIT_INDEX_FILE: join(directory, 'index') }
      if (base !== undefined) this.git(['read-tree', base], '', index)
      const lines = changes.map(({ path, mode, content }) =>
        content === null ? `0 ${nobody}\t${path}\0` : `${mode} ${this.writeBlob(content)}\t${path}\0`,
      )
      this.git(['update-index', '-z', '--index-info'], lines.join(''), index)
      return this.git(['write-tree'], '', index).toString('utf8').trim()
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  writeBlob(content: Exclude<TreeChange['content'], null>): string {
    if (typeof content === 'object' && 'sha' in content) return content.sha
    return this.git(['hash-object', '-w', '--stdin'], content).toString('utf8').trim()
  }

  writeCommit(tree: string, parents: readonly string[], message: string, author: string): string {
    const email = `${author}@users.noreply.github.example.com`
    const person = {
      GIT_AUTHOR_NAME: author,
      GIT_AUTHOR_EMAIL: email,
      GIT_COMMITTER_NAME: author,
      GIT_COMMITTER_EMAIL: email,
    }
    const args = ['commit-tree', tree, ...parents.flatMap(parent => ['-p', parent])]
    return this.git(args, message, person).toString('utf8').trim()
  }

  /** Moves a ref when it still is `expected` (undefined: does not exist); false when it is not. */
  moveRef(name: string, sha: string, expected: string | undefined): boolean {
    return this.attempt('update-ref', `refs/${name}`, sha, expected ?? nobody) !== undefined
  }

  deleteRef(name: string): boolean {
    return this.attempt('update-ref', '-d', `refs/${name}`) !== undefined
  }

  mergeBase(a: string, b: string): string | undefined {
    return this.attempt('merge-base', a, b)
  }

  isAncestor(a: string, b: string): boolean {
    return this.mergeBase(a, b) === a
  }

  /** Commits of `head` that `base` does not have, oldest first. */
  commitsBetween(base: string, head: string): string[] {
    return this.text('rev-list', '--reverse', '--topo-order', `${base}..${head}`).split('\n').filter(Boolean)
  }

  /** Commits files on top of a branch, as somebody else would; null removes a file. */
  commitFiles(
    branch: string,
    files: Readonly<Record<string, string | Uint8Array | null>>,
    message: string,
    author = 'alice',
  ): string {
    const head = this.ref(`heads/${branch}`)
    const changes = Object.entries(files).map(([path, content]) => ({ path, mode: '100644', content }))
    const sha = this.writeCommit(this.writeTree(head, changes), head === undefined ? [] : [head], message, author)
    this.git(['update-ref', `refs/heads/${branch}`, sha])
    return sha
  }

  /** Every file of a commit or branch as text. */
  files(revision: string): Map<string, string> {
    const entries = this.tree(this.text('rev-parse', `${revision}^{tree}`), true).filter(({ type }) => type === 'blob')
    return new Map(entries.map(({ path, sha }) => [path, this.blob(sha).toString('utf8')]))
  }

  private attempt(...args: readonly string[]): string | undefined {
    try {
      return this.text(...args)
    } catch {
      return undefined
    }
  }
}
