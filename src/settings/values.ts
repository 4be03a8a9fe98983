// From the text of one setting to its value. Every function throws a ToolError that says what was found and wanted.

import { ToolError } from '../errors.ts'
import { type ImageReference, parseImageReference } from '../formats/oci/reference.ts'
import { armoredKeys } from '../formats/openpgp/armor.ts'
import { formatRepositorySource, parseRepositorySource } from '../formats/rpm/repository-source.ts'
import { shown } from './given.ts'
import { nearest } from './suggest.ts'
import { bootFileWords, secureBootWords, type Words } from './words.ts'

/** Reads one value or one item of a list. */
export type ParseValue<T> = (text: string) => T

function refuse(text: string, wanted: string, hint?: string): never {
  throw new ToolError('SETTING_INVALID', 'the value is not allowed', {
    found: shown(text),
    wanted,
    ...(hint === undefined ? {} : { hint }),
  })
}

/** `true` or `false`, in exactly this spelling. */
export function parseBoolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') return refuse(text, 'true or false')
  return text === 'true'
}

/** A reader for one word of a closed list. Words of the contract without effect are SETTING_NOT_SUPPORTED. */
export function parseWord<Now extends string>(words: Words<Now>): ParseValue<Now> {
  return text => {
    const word = words.now.find(known => known === text)
    if (word !== undefined) return word
    const wanted = words.now.join(', ')
    if (words.later.includes(text))
      throw new ToolError('SETTING_NOT_SUPPORTED', 'the value is not supported yet', { found: text, wanted })
    const suggestion = nearest(text, words.now)
    return refuse(text, wanted, suggestion === undefined ? undefined : `did you mean ${suggestion}?`)
  }
}

/** A reader for texts that match a pattern as a whole. */
export function parseMatching(pattern: RegExp, wanted: string, longest = 255): ParseValue<string> {
  return text => (text.length <= longest && pattern.test(text) ? text : refuse(text, wanted))
}

/** RFC 1123 label, as Kubernetes wants for namespaces. */
export const parseDnsLabel = parseMatching(
  /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/,
  'at most 63 lower-case letters, digits and - , with a letter or digit at both ends',
  63,
)

export const parseOciTag = parseMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'a tag of letters, digits, _ . -', 128)
export const parsePackageName = parseMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/, 'the name of an RPM package')
/** With or without the leading dot that the macro %{dist} has. */
export const parseDist = parseMatching(/^\.?[A-Za-z0-9][A-Za-z0-9._+~]*$/, 'a dist tag like el9_6 or fc42')
export const parseClusterName = parseMatching(/^[^\p{Cc}]+$/u, 'the name of a block under clusters')

const rpmVersion = '[0-9][A-Za-z0-9._+~^]*(?:-[A-Za-z0-9._+~^]+)?'
export const parseKernelVersion = parseMatching(
  new RegExp(`^(?:latest|${rpmVersion}|(?:<|<=|=|>=|>)${rpmVersion}(?: +(?:<|<=|=|>=|>)${rpmVersion})*)$`),
  'latest, a version, a version-release, or comparisons like >=5.14.0-600 <5.14.0-700',
)

/** Whole days, at least one, at most a hundred years. */
export function parseDays(text: string): number {
  const days = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0
  return days >= 1 && days <= 36_500 ? days : refuse(text, 'a whole number of days from 1 to 36500')
}

/** `owner/name` of a GitHub repository. */
export function parseGitHubRepository(text: string): { readonly owner: string; readonly name: string } {
  const match = /^([A-Za-z0-9](?:[A-Za-z0-9_-]{0,99}))\/([A-Za-z0-9._-]{1,100})$/.exec(text)
  const [, owner, name] = match ?? []
  if (owner === undefined || name === undefined || /^\.{1,2}$|\.git$/.test(name)) return refuse(text, 'owner/name')
  return { owner, name }
}

/** A branch name by the rules of `git check-ref-format --branch`, without `refs/heads/`. */
export function parseBranch(text: string): string {
  const bad = /[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$|\.lock(?:\/|$)|(?:^|\/)\.|^@$|^refs\//u
  return text.length <= 255 && text !== '' && !bad.test(text) ? text : refuse(text, 'a branch name like main')
}

/**
 * A directory inside the GitOps repository: relative, no `..`, nothing of git's or GitHub's own.
 * Returns it without `.`, doubled or outer slashes; '' is the top.
 */
export function parseDirectory(text: string): string {
  const wanted = 'a relative directory without .. , like clusters/north'
  if (text.startsWith('/') || text.includes('\\') || /\p{Cc}/u.test(text) || text.length > 1024)
    return refuse(text, wanted)
  const parts = text.split('/').filter(part => part !== '' && part !== '.')
  if (parts.includes('..')) return refuse(text, wanted)
  if (parts.some(part => part.toLowerCase() === '.git') || parts[0]?.toLowerCase() === '.github')
    return refuse(text, 'a directory outside .git and .github')
  return parts.join('/')
}

/** A file or directory of this machine; only emptiness and NUL are refused. */
export const parsePath = parseMatching(/^[^\0]+$/, 'a path', 4096)

export function parseReference(text: string): ImageReference {
  return parseImageReference(text)
}

/** `registry/repository`, nothing after it. */
export function parseImageRepository(text: string): { readonly registry: string; readonly repository: string } {
  const { registry, repository } = parseImageReference(text)
  if (`${registry}/${repository}` !== text)
    return refuse(text, 'registry/repository with the registry, without tag or digest')
  return { registry, repository }
}

/** Version of an OpenShift or OKD release: 4.20.3, 4.21.0-okd-scos.1. */
export const parseClusterVersion = parseMatching(
  /^\d{1,4}\.\d{1,4}\.\d{1,6}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/,
  'a version like 4.20.3',
)

/** RFC 1123 subdomain: a stream of node images, or a tag of a release. */
export const parseStreamName = parseMatching(
  /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/,
  'a name like rhel-9 or rhel-coreos: lower-case letters, digits, - and .',
  253,
)

export const parseClusterId = parseMatching(
  /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/,
  'a UUID, as `oc get clusterversion version -o jsonpath={.spec.clusterID}` prints it',
)

/** A repository, a metalink or a list of mirrors, as kernel-repositories has them. http is allowed here; allow-insecure decides. */
export function parseKernelRepository(text: string): string {
  return formatRepositorySource(parseRepositorySource(text))
}

/** A key that is trusted to sign packages. */
export interface RpmKey {
  /** Of the primary key: 40 or 64 upper-case hex digits. */
  readonly fingerprint: string
  readonly key: { readonly path: string } | { readonly armored: string }
}

/** `PATH#FINGERPRINT`, or an armored public key and `#FINGERPRINT`; the digits may stand in groups, as programs print them. */
export function parseRpmKey(text: string): RpmKey {
  const [, key = '', digits] = /^(.*)#([0-9A-Fa-f\s]+)$/s.exec(text) ?? []
  const fingerprint = digits?.replace(/\s/g, '').toUpperCase() ?? ''
  const wanted = 'a key file or an armored key, then # and the full fingerprint of 40 or 64 hex digits'
  if (fingerprint.length !== 40 && fingerprint.length !== 64)
    return refuse(text, wanted, 'a key ID of 8 or 16 digits is no fingerprint: others can make a key with the same ID')
  if (!key.includes('-----')) return { fingerprint, key: { path: parsePath(key.trim()) } }
  const [armored] = key.match(armoredKeys) ?? []
  return armored === key.trim() && armored.length <= 1024 * 1024
    ? { fingerprint, key: { armored } }
    : refuse(text, wanted)
}

/** Items of a list of keys: an armored key has line ends, and may have commas, of its own. */
export function splitRpmKeys(text: string): readonly string[] {
  const item = new RegExp(`${armoredKeys.source}\\s*[^,\\n]*|[^,\\n]+`, 'g')
  return text.match(item) ?? []
}

/** Where an image is. */
export type ImageLocation =
  | { readonly kind: 'registry'; readonly reference: ImageReference }
  | { readonly kind: 'oci-layout'; readonly directory: string; readonly tag: string | undefined }
  | { readonly kind: 'oci-archive'; readonly file: string; readonly tag: string | undefined }
  | { readonly kind: 'root-file-system'; readonly directory: string }

const imageLocations =
  'docker://…, a bare reference, oci:<directory>[:tag], oci-archive:<file>[:tag], or dir:<root file system>'

/** `docker://` and bare references, `oci:<directory>[:tag]`, `oci-archive:<file>[:tag]`, `dir:<root file system>`. */
export function parseImageLocation(text: string): ImageLocation {
  if (/^(?:docker-archive|containers-storage|docker-daemon):/.test(text)) return refuse(text, imageLocations)
  if (text.startsWith('dir:')) return { kind: 'root-file-system', directory: parsePath(text.slice('dir:'.length)) }
  const [, scheme, path, name] = /^(oci|oci-archive):([^:]+)(?::(.*))?$/s.exec(text) ?? []
  if (path === undefined) {
    if (/^oci(?:-archive)?:/.test(text)) return refuse(text, 'oci:<directory>[:tag] or oci-archive:<file>[:tag]')
    return { kind: 'registry', reference: parseImageReference(text) }
  }
  const tag = name === undefined ? undefined : parseOciTag(name)
  return scheme === 'oci'
    ? { kind: 'oci-layout', directory: parsePath(path), tag }
    : { kind: 'oci-archive', file: parsePath(path), tag }
}

/** Where an image is that is whole: with manifest, config and layers. */
export type WholeImageLocation = Exclude<ImageLocation, { kind: 'root-file-system' }>

/** An image that `update` is to propose. */
export function parseWholeImageLocation(text: string): WholeImageLocation {
  const location = parseImageLocation(text)
  if (location.kind !== 'root-file-system') return location
  return refuse(text, 'docker://…, a bare reference, oci:<directory>[:tag] or oci-archive:<file>[:tag]')
}

/** A reader for texts with `{placeholders}`; `needed` must occur, others than `allowed` must not. */
export function parseTemplate(allowed: readonly string[], needed: readonly string[] = []): ParseValue<string> {
  const list = allowed.map(name => `{${name}}`).join(', ')
  return text => {
    const names = [...text.matchAll(/\{([^{}]*)\}/g)].map(match => match[1] ?? '')
    const rest = text.replace(/\{[^{}]*\}/g, '')
    if (/[{}\p{Cc}]/u.test(rest) || names.some(name => !allowed.includes(name)) || text.length > 200)
      return refuse(text, `text with no other placeholder than ${list}`)
    for (const name of needed) if (!names.includes(name)) return refuse(text, `text with {${name}}`)
    return text
  }
}

/** Name of a MachineConfig (RFC 1123 subdomain) with `{pool}`. */
export function parseMachineConfigName(text: string): string {
  const template = parseTemplate(['pool'], ['pool'])(text)
  const name = template.replaceAll('{pool}', 'worker')
  if (!/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(name) || /\.[.-]|-\./.test(name))
    return refuse(text, 'lower-case letters, digits, - and . around {pool}')
  return template
}

/** `ROLE=PATH` of `--boot-file`. */
export function parseBootFilePath(text: string): {
  readonly role: (typeof bootFileWords.now)[number]
  readonly path: string
} {
  const equals = text.indexOf('=')
  if (equals < 0) return refuse(text, `ROLE=PATH, with a role of ${bootFileWords.now.join(', ')}`)
  return { role: parseWord(bootFileWords)(text.slice(0, equals)), path: parsePath(text.slice(equals + 1)) }
}

/** `on` or `off`. */
export function parseSecureBoot(text: string): boolean {
  return parseWord(secureBootWords)(text) === 'on'
}

/** One `--platform`: the directories that are read as one profile, and the name that was given. */
export interface PlatformSource {
  /** undefined: platform.yaml or the directory names the platform. */
  readonly name: string | undefined
  readonly directories: readonly string[]
}

/** `DIR`, `name=DIR`, `A+B`. */
export function parsePlatformSource(text: string): PlatformSource {
  const [, name, rest = ''] = /^(?:([A-Za-z0-9][A-Za-z0-9._-]*)=)?(.*)$/s.exec(text) ?? []
  const directories = rest.split('+')
  if (directories.some(directory => directory === '')) return refuse(text, 'DIR, name=DIR or DIR+DIR')
  return { name, directories: directories.map(parsePath) }
}

/** A whole number from 0, or `all`. */
export function parseMixWindow(text: string): number | 'all' {
  if (text === 'all') return text
  return /^[0-9]{1,4}$/.test(text) ? Number(text) : refuse(text, 'all, or a whole number up to 9999')
}

export function parseMixLimit(text: string): number {
  return /^[1-9][0-9]{0,5}$/.test(text) ? Number(text) : refuse(text, 'a whole number from 1 to 999999')
}
