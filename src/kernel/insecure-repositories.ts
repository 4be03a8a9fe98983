// Which kernel repositories were used over plain http with nothing to make up for it: the pull request says so.

import type { RepositoryPackage } from './kernel-packages.ts'

/**
 * Entries of kernel-repositories with http://, and the hosts of packages that come by http from a mirror, unless a metalink's hash stands
 * behind them.
 */
export function insecureRepositories(
  repositories: readonly string[],
  packages: readonly Pick<RepositoryPackage, 'location' | 'boundByMetalink'>[],
): readonly string[] {
  const given = repositories.filter(text => /^(?:[a-z]+=)?http:/.test(text))
  const hosts = packages
    .filter(({ location, boundByMetalink }) => location.startsWith('http:') && boundByMetalink !== true)
    .filter(({ location }) => !given.some(url => location.startsWith(`${url}/`)))
    .map(({ location }) => new URL(location).origin)
  return [...new Set([...given, ...hosts])]
}
