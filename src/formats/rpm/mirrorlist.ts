// A mirror list: base URLs of a repository, one per line. It has no hashes. dnf.conf(5), mirrorlist; librepo, librepo/mirrorlist.c.

import { ToolError } from '../../errors.ts'

/** A real one has some kB. */
export const maxMirrorlistSize = 1024 * 1024
const maxMirrors = 2000

/**
 * The http and https URLs of the list in its order, each once, without a slash at the end; comments and other schemes are passed over.
 * Throws REPOSITORY_INVALID for anything else than such a list, and for one without a mirror.
 */
export function parseMirrorlist(text: string, source: string): readonly string[] {
  const refuse = (found: string, line?: number, hint?: string): never => {
    throw new ToolError('REPOSITORY_INVALID', 'cannot read the mirror list of an RPM repository', {
      found,
      wanted: 'one URL per line',
      where: { source, ...(line === undefined ? {} : { line }) },
      ...(hint === undefined ? {} : { hint }),
    })
  }
  if (text.length > maxMirrorlistSize) return refuse(`${text.length} characters`)
  if (/^\s*</.test(text))
    return refuse('XML', 1, /<metalink/.test(text) ? 'this is a metalink: write metalink= before its URL' : undefined)
  const mirrors = new Set<string>()
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.trim()
    if (entry === '' || entry.startsWith('#')) continue
    const url = URL.parse(entry)
    if (url === null) return refuse(entry.length > 100 ? `${entry.slice(0, 100)}…` : entry, index + 1)
    if (!['http:', 'https:'].includes(url.protocol)) continue
    if ([url.username, url.password, url.search, url.hash].some(part => part !== ''))
      return refuse(`a URL of ${url.host} with user, query or fragment`, index + 1)
    mirrors.add(url.href.replace(/\/+$/, ''))
    if (mirrors.size > maxMirrors) return refuse(`more than ${maxMirrors} mirrors`)
  }
  return mirrors.size === 0 ? refuse('no http or https URL') : [...mirrors]
}
