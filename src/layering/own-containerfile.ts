// A Containerfile of the user: that it builds on the base image, and its build arguments filled in. Syntax: Dockerfile reference of BuildKit; containers, Containerfile(5).

import { ToolError } from '../errors.ts'

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

interface Instruction {
  /** Upper case. */
  readonly word: string
  readonly rest: string
  /** Index of its first line, from 0, and how many it has. */
  readonly line: number
  readonly lines: number
}

/**
 * Makes sure that the last stage begins, through other stages or at once, with `FROM ${BASE}` and that no stage begins elsewhere: nothing is pulled in
 * a build. Throws CONTAINERFILE_INVALID.
 */
export function parseOwnContainerfile(text: string, path: string): void {
  const refuse = (found: string, wanted: string, line: number): never => {
    throw new ToolError('CONTAINERFILE_INVALID', 'the Containerfile cannot be built on the base image', {
      found: found.slice(0, 200),
      wanted,
      where: { source: `${path}, line ${line + 1}` },
    })
  }
  if (Buffer.byteLength(text) > containerfileCeiling)
    refuse(`${Buffer.byteLength(text)} bytes`, `at most ${containerfileCeiling} bytes`, 0)
  if (/[^\P{Cc}\n\t\r]|\uFEFF/u.test(text)) refuse('a control character', 'plain text', 0)
  const directive = text.split('\n').findIndex(line => /^\s*#\s*(?:escape|syntax)\s*=/i.test(line))
  if (directive >= 0) refuse('a parser directive', 'none: lines go on with a backslash', directive)
  const written = text.trimEnd()
  if (written.endsWith('\\'))
    refuse('a backslash at the end', 'a whole last instruction', written.split('\n').length - 1)
  const instructions = instructionsOf(text)
  const first = instructions.findIndex(({ word }) => word === 'FROM')
  if (first < 0) refuse('no FROM', `ARG BASE and ${fromBase}`, 0)
  const declared = instructions
    .slice(0, first)
    .some(({ word, rest }) => word === 'ARG' && rest.split(/\s+/).some(one => /^BASE(?:=|$)/.test(one)))
  if (!declared) refuse('no ARG BASE before the first FROM', 'ARG BASE', instructions[first]?.line ?? 0)
  const names = new Set<string>()
  for (const [index, { rest, line }] of instructions.filter(({ word }) => word === 'FROM').entries()) {
    const [, from = '', , name] = /^(\S+)(\s+as\s+(\S+))?$/i.exec(rest) ?? []
    const isBase = `FROM ${from}` === fromBase || from === '$BASE'
    if (!isBase && !names.has(from.toLowerCase()))
      refuse(`FROM ${rest}`, `${fromBase}, or an earlier stage: nothing else is pulled`, line)
    names.add(String(index))
    if (name !== undefined) names.add(name.toLowerCase())
  }
}

/**
 * The text with the values of our build arguments in place of what their ARG instructions say; a line feed at the end is taken off.
 * Called for texts that `parseOwnContainerfile` has taken.
 */
export function fillOwnContainerfile(text: string, values: BuildArguments): string {
  const lines = text.trimEnd().split('\n')
  for (const { word, rest, line, lines: count } of instructionsOf(text)) {
    if (word !== 'ARG') continue
    const filled = rest.split(/\s+/).map(one => {
      const name = one.split('=')[0] ?? ''
      return Object.hasOwn(values, name) ? `${name}=${values[name as keyof BuildArguments]}` : one
    })
    if (filled.join(' ') === rest) continue
    lines[line] = `ARG ${filled.join(' ')}`
    for (let more = 1; more < count; more += 1) lines[line + more] = ''
  }
  return lines.join('\n')
}

const hereDocument = /<<-?\s*(["']?)([A-Za-z_][A-Za-z0-9_]*)\1/g

/** Instructions in their order; what here-documents hold is none. */
function instructionsOf(text: string): Instruction[] {
  const lines = text.split('\n').map(line => line.replace(/\r$/, ''))
  const instructions: Instruction[] = []
  for (let at = 0; at < lines.length; at += 1) {
    const start = at
    if (/^\s*(?:#|$)/.test(lines[at] ?? '')) continue
    let whole = ''
    for (;;) {
      const line = lines[at] ?? ''
      // comments and empty lines between continued lines do not end an instruction
      const passed = at > start && /^\s*(?:#|$)/.test(line)
      if (!passed) whole += line.replace(/\\\s*$/, ' ')
      if (at + 1 >= lines.length || (!passed && !/\\\s*$/.test(line))) break
      at += 1
    }
    const [, word = '', rest = ''] = /^\s*(\S+)\s*(.*)$/s.exec(whole) ?? []
    if (/^(?:RUN|COPY|ADD)$/i.test(word))
      for (const [, , end] of rest.matchAll(hereDocument)) {
        do at += 1
        while (at < lines.length && lines[at]?.replace(/^\t+/, '') !== end)
      }
    instructions.push({ word: word.toUpperCase(), rest: rest.trim(), line: start, lines: at - start + 1 })
  }
  return instructions
}
