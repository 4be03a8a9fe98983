// How the kernel repositories are reached: authorities, client certificate, cache and log, from settings and secrets.

import { type ClientCertificate, parseClientCertificate } from '../edge/client-certificate.ts'
import { openConnections, readAuthorities } from '../edge/connections.ts'
import { readSecretFile } from '../edge/files.ts'
import type { Log } from '../edge/log.ts'
import { defaultPackageDirectory, openPackageCache, type PackageCache } from '../edge/package-cache.ts'
import type { FetchedRepository } from '../edge/repository-metadata.ts'
import type { PackageOptions } from '../edge/rpm-repository.ts'
import { type Environment, timeNow } from '../edge/surroundings.ts'
import { parseRepositorySource } from '../formats/rpm/repository-source.ts'
import { compareEvr, type Evr, formatEvr } from '../formats/rpm/version.ts'
import { type RepositoryAge, repositoryAge } from '../kernel/repository-age.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { CacheSettings, CheckSettings } from '../settings/settings.ts'

type Secrets = Pick<Credentials, 'clientCertificate' | 'clientKey'>

export interface RepositoryAccess extends PackageOptions {
  /** Origins of plain http to which redirects led, with nothing to make up for it. */
  readonly insecureHosts: () => readonly string[]
}

/** Throws FILE_NOT_FOUND and INPUT_INVALID for the files of certificates and keys. */
export async function repositoryAccess(
  environment: Environment,
  settings: CheckSettings,
  secrets: Secrets,
  log: Log,
): Promise<RepositoryAccess> {
  const { allowInsecure, kernelRepositoryCa: authority } = settings
  const authorities = authority === undefined ? [] : await readAuthorities(authority)
  const client = await clientCertificateOf(settings.kernelRepositories, secrets)
  const why = client?.notNow()
  if (why !== undefined) log.warning(`the client certificate of the kernel repositories ${why}`)
  const insecure = new Set<string>()
  return {
    allowInsecure,
    noteInsecure: origin => insecure.add(origin),
    insecureHosts: () => [...insecure],
    connections: openConnections({ environment, authorities, client }),
    cache: await packageCacheOf(environment, settings),
    log,
  }
}

async function clientCertificateOf(
  repositories: readonly string[],
  { clientCertificate, clientKey }: Secrets,
): Promise<ClientCertificate | undefined> {
  if (clientCertificate === undefined || clientKey === undefined) return undefined
  const urls = repositories.map(text => parseRepositorySource(text).url)
  const certificate = await pemOf(clientCertificate, 'kernel-repository-client-certificate')
  return parseClientCertificate(certificate, await pemOf(clientKey, 'kernel-repository-client-key'), urls)
}

/** The secret itself, or the file that it names. */
async function pemOf(secret: string, setting: string): Promise<string> {
  return secret.includes('-----BEGIN ') ? secret : await readSecretFile(secret, setting)
}

/** In a directory of its own, also where the user names one: names of layers and packages do not meet. */
async function packageCacheOf(
  environment: Environment,
  { cache, cacheDirectory }: CacheSettings,
): Promise<PackageCache | undefined> {
  const directory = cacheDirectory === undefined ? defaultPackageDirectory(environment) : `${cacheDirectory}/packages`
  return cache && directory !== undefined ? await openPackageCache(directory) : undefined
}

/**
 * Warns with REPOSITORY_WENT_BACK when the newest kernel of the repositories is older than the one in use: repositories get newer, so a mirror is
 * old or somebody holds updates back. Time stamps of metadata do not count: who holds back can write any.
 */
export function tellWentBack(newest: Evr | null, inUse: Evr | null | undefined, log: Log): void {
  if (newest === null || inUse === null || inUse === undefined || compareEvr(newest, inUse) >= 0) return
  const text = 'REPOSITORY_WENT_BACK: the newest kernel of the repositories is older than the one in use'
  log.warning(`${text}, found ${formatEvr(newest)}, wanted ${formatEvr(inUse)} or newer`)
}

/** Warns of repositories that are too old. */
export function warnOfAges(
  repositories: readonly FetchedRepository[],
  maxAge: number,
  log: PackageOptions['log'],
): void {
  for (const { text, isOld } of agesOf(repositories, maxAge)) if (isOld) log?.warning(text)
}

/** Says how old the others are. */
export function tellAges(repositories: readonly FetchedRepository[], maxAge: number, log: Log): void {
  for (const { text, isOld } of agesOf(repositories, maxAge)) if (!isOld) log.info(text)
}

function agesOf(repositories: readonly FetchedRepository[], maxAge: number): readonly RepositoryAge[] {
  const now = Date.parse(timeNow()) / 1000
  return repositories.map(repository => repositoryAge(repository, maxAge, now))
}
