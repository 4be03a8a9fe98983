// What `update` prints for people at its end.

import type { Decision } from '../propose/outcome.ts'
import type { PullRequestText } from '../propose/pull-request.ts'
import type { RepositoryChange } from '../propose/repository-change.ts'

const sentences: Readonly<Record<Decision['outcome'], string>> = {
  created: 'created: a new pull request',
  updated: 'updated: a new commit for the open pull request',
  unchanged: 'unchanged: the same change is already proposed or merged; nothing was built or written',
  rejected:
    'rejected: a pull request with the same change was closed without being merged; nothing was built or written',
}

export function outcomeText(outcome: Decision['outcome'], title: string | undefined, url: string | undefined): string {
  return [sentences[outcome], title, url].filter(line => line !== undefined).join('\n')
}

/** The tree and the pull request that a run without `dry-run` would have made. */
export function dryRunText({ files }: RepositoryChange, { title, body, commitMessage }: PullRequestText): string {
  return [
    'dry-run: nothing was pushed and nothing was written. The pull request would be:',
    '',
    title,
    '',
    body,
    'Its one commit:',
    '',
    commitMessage.trimEnd(),
    '',
    ...files.flatMap(({ path, content }) => [`--- ${path}`, content === null ? '(removed)' : content.trimEnd(), '']),
  ].join('\n')
}
