// How old the metadata of a repository is by its own word: a mirror that has stopped, or one that holds updates back, stays at its last day.

export interface RepositoryAge {
  /** One sentence without its full stop. */
  readonly text: string
  readonly isOld: boolean
}

const day = 24 * 60 * 60

/** Of a repository whose newest metadata is from `timestamp`, seconds since 1970, as is `now`; old above `maxAge` days. */
export function repositoryAge(
  { url, timestamp }: { readonly url: string; readonly timestamp: number | null },
  maxAge: number,
  now: number,
): RepositoryAge {
  if (timestamp === null) return { text: `the repository ${url} does not say how old it is`, isOld: false }
  const days = Math.max(0, Math.floor((now - timestamp) / day))
  const date = new Date(timestamp * 1000).toISOString().slice(0, 10)
  const text = `the repository ${url} is from ${date}, ${days} ${days === 1 ? 'day' : 'days'} old`
  return now - timestamp > maxAge * day
    ? { text: `${text}; repository-max-age is ${maxAge}`, isOld: true }
    : { text, isOld: false }
}
