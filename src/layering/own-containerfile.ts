// A Containerfile of the user: that it builds on the base image, and its build arguments filled in. Syntax: Dockerfile reference of BuildKit; containers, Containerfile(5).

import { ToolError } from '../errors.ts'
import {
  hasUnclearHereDocument,
  type Instruction,
  instructionsOf,
  olderReadings,
} from './containerfile-instructions.ts'

/** Build arguments that a Containerfile of the user may declare with ARG; all others are its own. */
export interface BuildArguments {
  /** The base image, by digest. */
  readonly BASE: string
  /** `uname -r` of the new kernel. */
  readonly KERNEL_RELEASE: string
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: a build argument of the Containerfile
const fromBase = 'FROM ${BASE}'

/** Bytes of a Containerfile. */
export const containerfileCeiling = 256 * 1024

/** ADD is none of them: it fetches. Words that no builder knows may be for it alone, as `// syntax=` is for BuildKit. */
const words = new Set([
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'LABEL',
  'MAINTAINER',
  'RUN',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
])

type Refuse = (found: string, wanted: string, line: number) => never

/**
 * Makes sure that the last stage begins, through other stages or at once, with `FROM ${BASE}`, and that neither a stage nor a copy or mount comes from
 * elsewhere: nothing is pulled in a build. That holds for each of the ways in which builders read the text. Throws CONTAINERFILE_INVALID.
 */
export function parseOwnContainerfile(text: string, path: string): void {
  const refuse: Refuse = (found, wanted, line) => {
    throw new ToolError('CONTAINERFILE_INVALID', 'the Containerfile cannot be built on the base image', {
      found: found.slice(0, 200),
      wanted,
      where: { source: `${path}, line ${line + 1}` },
    })
  }
  expectPlain(text, refuse)
  const instructions = instructionsOf(text)
  for (const { word, rest, line, ends } of instructions) {
    if (word === 'ADD') refuse('ADD', 'COPY, which fetches nothing', line)
    if (!words.has(word)) refuse(word, 'an instruction of the Dockerfile reference', line)
    if (!ends) refuse('a here-document without an end', 'a line with its name', line)
    if (word === 'ARG' && argumentsOf(rest) === undefined)
      refuse(`ARG ${rest}`, 'names of letters, digits and _, with or without a value', line)
    if ((word === 'RUN' || word === 'COPY') && hasUnclearHereDocument(rest))
      refuse(rest, 'here-documents as words of their own, named by letters, digits and _', line)
  }
  const first = instructions.findIndex(({ word }) => word === 'FROM')
  if (first < 0) refuse('no FROM', `ARG BASE and ${fromBase}`, 0)
  const declared = instructions
    .slice(0, first)
    .some(({ word, rest }) => word === 'ARG' && argumentsOf(rest)?.some(one => /^BASE(?:=|$)/.test(one)))
  if (!declared) refuse('no ARG BASE before the first FROM', 'ARG BASE', instructions[first]?.line ?? 0)
  expectOwnStages(instructions, /.*/s, refuse)
  for (const reading of olderReadings) expectOwnStages(instructionsOf(text, reading), wholeFrom, refuse)
}

/** Refuses what some readers take for something else than others. */
function expectPlain(text: string, refuse: Refuse): void {
  if (Buffer.byteLength(text) > containerfileCeiling)
    refuse(`${Buffer.byteLength(text)} bytes`, `at most ${containerfileCeiling} bytes`, 0)
  if (/[^\P{Cc}\n\t\r]|\uFEFF|\r(?!\n)/u.test(text)) refuse('a control character', 'plain text', 0)
  const lines = text.split('\n')
  const refuseLine = (pattern: RegExp, found: string, wanted: string) => {
    const line = lines.findIndex(one => pattern.test(one))
    if (line >= 0) refuse(found, wanted, line)
  }
  refuseLine(/[^\P{Z} ]/u, 'a space that is none in ASCII', 'spaces and tabs')
  refuseLine(/^\s*#\s*(?:escape|syntax)\s*=/i, 'a parser directive', 'none: lines go on with a backslash')
  // one backslash that is escaped to some, a line that goes on to others
  refuseLine(/^\s*[^\s#].*\\\\\s*$/, 'two backslashes at the end of a line', 'one, where the line goes on')
  const written = text.trimEnd()
  if (written.endsWith('\\'))
    refuse('a backslash at the end', 'a whole last instruction', written.split('\n').length - 1)
}

/** What builders take for a FROM; other text gets them to end with an error. */
const wholeFrom = /^(?:--\S+\s+)*\S+(?:\s+as\s+\S+)?$/i

function expectOwnStages(instructions: readonly Instruction[], isFrom: RegExp, refuse: Refuse): void {
  const names = new Set<string>()
  let stages = 0
  for (const { word, rest, line } of instructions) {
    if (word === 'FROM' && isFrom.test(rest)) {
      const [, from = '', , name] = /^(\S+)(\s+as\s+([a-z][a-z0-9_.-]*))?$/i.exec(rest) ?? []
      const isBase = `FROM ${from}` === fromBase || from === '$BASE'
      if ((!isBase && !names.has(from.toLowerCase())) || /^(?:scratch|context)$/i.test(name ?? ''))
        refuse(`FROM ${rest}`, `${fromBase}, or the name of an earlier stage: nothing else is pulled`, line)
      stages += 1
      if (name !== undefined) names.add(name.toLowerCase())
    }
    if (word === 'RUN' || word === 'COPY')
      for (const source of sourcesOf(rest, flag => refuse(`${word} ${flag}`, 'flags without quotes', line)))
        if (!names.has(source.toLowerCase()) && !(/^\d{1,4}$/.test(source) && Number(source) < stages - 1))
          refuse(`${word} from ${source}`, 'an earlier stage: nothing else is pulled', line)
  }
}

/** Stages or images that the flags before all else name: `--from=`, and `from=` of a mount. */
function sourcesOf(rest: string, unclear: (flag: string) => never): string[] {
  const sources: string[] = []
  for (let left = rest; left.startsWith('--'); ) {
    const [flag = ''] = /^\S+/.exec(left) ?? []
    if (/["'\\]/.test(flag)) unclear(flag)
    const mount = /^--mount=(.*)$/i.exec(flag)?.[1]?.split(',') ?? []
    for (const part of [flag.slice(2), ...mount]) if (/^from=/i.test(part)) sources.push(part.slice('from='.length))
    left = left.slice(flag.length).trimStart()
  }
  return sources
}

/** `NAME` or `NAME=value`; quotes hold values together. undefined for anything else. */
function argumentsOf(rest: string): readonly string[] | undefined {
  const one = /([A-Za-z_]\w*(?:=(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])*)?)(?:\s+|$)/y
  const found: string[] = []
  while (one.lastIndex < rest.length) {
    const at = one.exec(rest)
    if (at?.[1] === undefined) return undefined
    found.push(at[1])
  }
  return found
}

/**
 * The text with the values of our build arguments in place of what their ARG instructions say; a line feed at the end is taken off.
 * Called for texts that `parseOwnContainerfile` has taken.
 */
export function fillOwnContainerfile(text: string, values: BuildArguments): string {
  const lines = text.trimEnd().split('\n')
  for (const { word, rest, line, lines: count } of instructionsOf(text)) {
    if (word !== 'ARG') continue
    const given = argumentsOf(rest) ?? []
    const filled = given.map(one => {
      const name = one.split('=')[0] ?? ''
      return Object.hasOwn(values, name) ? `${name}=${values[name as keyof BuildArguments]}` : one
    })
    if (filled.every((one, index) => one === given[index])) continue
    lines[line] = `ARG ${filled.join(' ')}`
    for (let more = 1; more < count; more += 1) lines[line + more] = ''
  }
  return lines.join('\n')
}
