// Where a file of an RPM repository is: base URL, xml:base and href to one URL that does not leave the repository.

import { ToolError } from '../../errors.ts'

/** Characters of a path that is still taken; real ones have 100. Each package has one for every mirror. */
const maxUrl = 1024

/**
 * The URL of a file of the repository at `repository` (http or https, no query). `href` must stay below the repository's
 * URL, or below `xmlBase` where there is one, which must be https, or http where `insecure`.
 * Throws REPOSITORY_INVALID, INSECURE_NOT_ALLOWED.
 */
export function resolveLocation(
  repository: string,
  location: { readonly href: string; readonly xmlBase: string | null },
  insecure: boolean,
): string {
  const refuse = (found: string, wanted: string): never => {
    throw new ToolError('REPOSITORY_INVALID', 'the location of a file in an RPM repository is not safe', {
      found,
      wanted,
      where: { source: repository },
    })
  }
  const { href, xmlBase } = location
  if (href.length > maxUrl || (xmlBase?.length ?? 0) > maxUrl)
    return refuse('a long URL', `at most ${maxUrl} characters`)
  const base = URL.parse(withSlash(xmlBase ?? repository))
  if (base === null || !['http:', 'https:'].includes(base.protocol))
    return refuse(xmlBase ?? repository, 'a URL that begins with https://')
  if (xmlBase !== null && base.protocol === 'http:' && !insecure)
    throw new ToolError('INSECURE_NOT_ALLOWED', 'the metadata of an RPM repository names a plain http location', {
      found: xmlBase,
      wanted: 'https://',
      where: { source: repository },
    })
  if (xmlBase !== null && (base.username !== '' || base.password !== '' || base.search !== '' || base.hash !== ''))
    return refuse(xmlBase, 'a URL without user, query and fragment')
  if (!isPlainPath(href)) return refuse(href, 'a relative path without .. that stays in the repository')
  const url = URL.parse(href.replaceAll('#', '%23').replaceAll('?', '%3F'), base.href)
  if (url === null || url.origin !== base.origin || !url.pathname.startsWith(base.pathname))
    return refuse(href, `a file below ${base.origin}${base.pathname}`)
  return url.href
}

/** Relative; no empty or `..` part, also not in percent-encoding; no backslash, no control character. */
function isPlainPath(href: string): boolean {
  const path = decoded(href)
  return (
    path !== undefined &&
    !/[\\\p{Cc}]/u.test(path) &&
    path.split('/').every(part => part !== '' && part !== '..') &&
    !hasScheme(path)
  )
}

function hasScheme(path: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:/.test(path)
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`
}
