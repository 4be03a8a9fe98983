// Instructions of a Containerfile as its builders read them, which is not in one way: BuildKit frontend/dockerfile/parser/parser.go; openshift/imagebuilder dockerfile/parser/parser.go.

export interface Instruction {
  /** Upper case. */
  readonly word: string
  readonly rest: string
  /** Index of its first line, from 0, and how many it has, with its here-documents. */
  readonly line: number
  readonly lines: number
  /** Whether its last here-document has an end. */
  readonly ends: boolean
}

export interface Reading {
  /** What here-documents hold is no instruction. Older builders do not know them. */
  readonly hereDocuments: boolean
  /** Between continued lines, comments with spaces before them are comments. To older builders they are text, which ends the instruction. */
  readonly indentedComments: boolean
}

/** As builders of today read. */
export const todaysReading: Reading = { hereDocuments: true, indentedComments: true }
export const olderReadings: readonly Reading[] = [
  { hereDocuments: false, indentedComments: true },
  { hereDocuments: true, indentedComments: false },
  { hereDocuments: false, indentedComments: false },
]

/** A word of its own; what stands elsewhere is none to BuildKit. */
const hereDocument = /(?<=\s|^)\d*<<(-?)(["']?)([A-Za-z_]\w*)\2(?=\s|$)/g

/** `<<` that is neither a here-document, a here-string nor a shift by a number: readers differ about where such ends. */
export function hasUnclearHereDocument(rest: string): boolean {
  return /(?<!<)<<(?!<)(?![\d\s(])/.test(rest.replaceAll(hereDocument, ''))
}

const goesOn = /\\[ \t]*$/
const isPassed = (line: string, indented: boolean): boolean => (indented ? /^\s*(?:#|$)/ : /^#|^\s*$/).test(line)

/** Instructions in their order. */
export function instructionsOf(text: string, reading: Reading = todaysReading): Instruction[] {
  const lines = text.split('\n').map(line => line.replace(/\r$/, ''))
  const instructions: Instruction[] = []
  for (let at = 0; at < lines.length; at += 1) {
    const start = at
    if (isPassed(lines[at] ?? '', true)) continue
    let whole = ''
    for (;;) {
      const line = lines[at] ?? ''
      // comments and empty lines between continued lines do not end an instruction
      const passed = at > start && isPassed(line, reading.indentedComments)
      if (!passed) whole += line.replace(goesOn, '')
      if (at + 1 >= lines.length || (!passed && !goesOn.test(line))) break
      at += 1
    }
    const [, word = '', rest = ''] = /^\s*(\S+)\s*(.*)$/s.exec(whole) ?? []
    const documents = reading.hereDocuments && /^(?:RUN|COPY|ADD)$/i.test(word) ? [...rest.matchAll(hereDocument)] : []
    for (const [, dash, , end] of documents) {
      do at += 1
      while (at < lines.length && (dash === '' ? lines[at] : lines[at]?.replace(/^\t+/, '')) !== end)
    }
    const ends = at < lines.length
    instructions.push({ word: word.toUpperCase(), rest: rest.trim(), line: start, lines: at - start + 1, ends })
  }
  return instructions
}
