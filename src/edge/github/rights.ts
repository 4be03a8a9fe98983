// May this token write? Asked by requests that GitHub judges for rights first and that change nothing that anybody sees.

import { type Api, asked, faultOf, statusOf } from './api.ts'

const asking = 'writing with this token'

/**
 * Contents: a blob that no tree names. Pull requests: one from a branch to itself, which is 422 for who may open pull requests.
 * Throws TOKEN_DENIED with the right that is missing, and GITHUB_ERROR.
 */
export async function checkRights(api: Api, branch: string): Promise<void> {
  const { owner, repo } = api
  await asked(api, { doing: asking, right: 'contents: write' }, () =>
    api.octokit.rest.git.createBlob({ owner, repo, content: '', encoding: 'utf-8' }),
  )
  try {
    await api.octokit.rest.pulls.create({ owner, repo, head: branch, base: branch, title: 'rights of the token' })
  } catch (error) {
    if (statusOf(error) === 422) return
    throw faultOf(api, { doing: asking, right: 'pull-requests: write' }, error)
  }
}
