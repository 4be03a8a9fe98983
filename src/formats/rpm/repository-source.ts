// What stands in kernel-repositories: the URL of a repository, or of a list of its mirrors. Prefixes: dnf.conf(5), metalink and mirrorlist.

import { ToolError } from '../../errors.ts'

export interface RepositorySource {
  readonly kind: 'repository' | 'metalink' | 'mirrorlist'
  /** http or https, without user and fragment; that of a repository also without query, and without a slash at its end. */
  readonly url: string
}

const maxUrl = 2048

/** Reads `https://…`, `metalink=https://…` or `mirrorlist=https://…`. Throws SETTING_INVALID. */
export function parseRepositorySource(text: string): RepositorySource {
  const [, prefix, address = ''] = /^(?:(metalink|mirrorlist)=)?([\s\S]*)$/.exec(text) ?? []
  const kind = prefix === 'metalink' || prefix === 'mirrorlist' ? prefix : 'repository'
  const wanted =
    kind === 'repository'
      ? 'an https URL without user, password, query and fragment'
      : `${kind}= and an https URL without user, password and fragment`
  const refuse = (message: string, found: string, hint?: string): never => {
    throw new ToolError('SETTING_INVALID', message, {
      found,
      wanted,
      where: { path: 'kernel-repositories' },
      ...(hint === undefined ? {} : { hint }),
    })
  }
  const url = /^https?:\/\/[^\s]+$/.test(address) && text.length <= maxUrl ? URL.parse(address) : null
  if (url === null) return refuse('not the URL of a repository', text.length > 100 ? `${text.slice(0, 100)}…` : text)
  // what stands there may be a password
  if (url.username !== '' || url.password !== '')
    return refuse('the URL holds a user or a password', `${url.protocol}//…@${url.host}`)
  if (address.includes('#') || (kind === 'repository' && address.includes('?')))
    return refuse('not the URL of a repository', `a URL of ${url.host} with query or fragment`)
  if (/\$(?:\{?[a-z])/i.test(address))
    return refuse('the URL holds a variable of dnf', text, 'write architecture and release out, like x86_64 and 9')
  return { kind, url: kind === 'repository' ? address.replace(/\/+$/, '') : address }
}

/** The source as the setting has it. */
export function formatRepositorySource({ kind, url }: RepositorySource): string {
  return kind === 'repository' ? url : `${kind}=${url}`
}
