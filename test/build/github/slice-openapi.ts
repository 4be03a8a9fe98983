// Cuts the operations that our client uses out of GitHub's published OpenAPI description. Run by hand on a new version:
// node test/build/github/slice-openapi.ts <package>/generated/api.github.com.json fixtures/github/openapi.json

import { readFileSync, writeFileSync } from 'node:fs'

const operations: Readonly<Record<string, readonly string[]>> = {
  '/user': ['get'],
  '/repos/{owner}/{repo}': ['get'],
  '/repos/{owner}/{repo}/git/ref/{ref}': ['get'],
  '/repos/{owner}/{repo}/git/refs': ['post'],
  '/repos/{owner}/{repo}/git/refs/{ref}': ['patch', 'delete'],
  '/repos/{owner}/{repo}/git/commits': ['post'],
  '/repos/{owner}/{repo}/git/commits/{commit_sha}': ['get'],
  '/repos/{owner}/{repo}/git/trees': ['post'],
  '/repos/{owner}/{repo}/git/trees/{tree_sha}': ['get'],
  '/repos/{owner}/{repo}/git/blobs': ['post'],
  '/repos/{owner}/{repo}/git/blobs/{file_sha}': ['get'],
  '/repos/{owner}/{repo}/compare/{basehead}': ['get'],
  '/repos/{owner}/{repo}/pulls': ['get', 'post'],
  '/repos/{owner}/{repo}/pulls/{pull_number}': ['patch'],
}

/** Words for readers, not rules; a property may well be called `description`, so only below schemas' own level. */
const wordsOnly = new Set([
  'description',
  'summary',
  'example',
  'examples',
  'externalDocs',
  'tags',
  'x-github',
  'title',
])

type Json = { [key: string]: unknown }
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

function withoutWords(value: unknown, names: boolean): unknown {
  if (Array.isArray(value)) return value.map(item => withoutWords(item, false))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => names || !wordsOnly.has(key))
      .map(([key, member]) => [key, key === 'enum' ? member : withoutWords(member, key === 'properties')]),
  )
}

function referencesIn(value: unknown, found: Set<string>): void {
  if (Array.isArray(value)) for (const item of value) referencesIn(item, found)
  else if (isObject(value))
    for (const [key, member] of Object.entries(value))
      if (key === '$ref' && typeof member === 'string') found.add(member)
      else referencesIn(member, found)
}

function memberAt(document: unknown, pointer: string): unknown {
  let at = document
  for (const step of pointer.replace('#/', '').split('/')) at = isObject(at) ? at[step] : undefined
  return at
}

const [input, output] = process.argv.slice(2)
if (input === undefined || output === undefined) throw new Error('usage: slice-openapi.ts IN OUT')
const whole: unknown = JSON.parse(readFileSync(input, 'utf8'))
if (!isObject(whole)) throw new Error('no OpenAPI description')

const paths: Json = {}
for (const [path, methods] of Object.entries(operations)) {
  const item = memberAt(whole, '#/paths')
  const operation = isObject(item) ? item[path] : undefined
  if (!isObject(operation)) throw new Error(`no ${path}`)
  paths[path] = Object.fromEntries(methods.map(method => [method, withoutWords(operation[method], false)]))
}
const components: { [group: string]: Json } = {}
const queue = new Set<string>()
referencesIn(paths, queue)
for (const pointer of queue) {
  const [, group, name] = pointer.replace('#/', '').split('/')
  if (group === undefined || name === undefined || group === 'examples') continue
  const member = withoutWords(memberAt(whole, pointer), false)
  components[group] = { ...components[group], [name]: member }
  referencesIn(member, queue)
}
const sliced = { openapi: whole.openapi, info: withoutWords(whole.info, false), paths, components }
writeFileSync(output, `${JSON.stringify(sliced)}\n`)
