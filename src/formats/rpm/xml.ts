// Reads XML of RPM metadata as a stream: saxes with bounds. No document type, so no entities but the five of XML.

import { SaxesParser } from 'saxes'
import { ToolError } from '../../errors.ts'

const maxDepth = 32
/** Characters between two tags, and inside one tag. A package description is far below. */
const maxRun = 1024 * 1024
/** Characters of an element or attribute that a reader asks for. */
const maxText = 4096
/** Pieces in which text goes to the parser, so that the bound on a run holds. */
const pieceLength = 64 * 1024

export interface ElementReader {
  /** `path` is local names from the root, joined by `/`; attributes by the name as written, made only when asked for. */
  open(path: string, attributes: () => Readonly<Record<string, string>>): void
  /** `text` is the element's own text, trimmed; '' for paths that `wants` does not name. */
  close(path: string, text: string): void
  readonly wants: ReadonlySet<string>
}

/** A push parser: `write` text as it comes, then `close`. All faults are REPOSITORY_INVALID. */
export class MetadataXml {
  readonly #parser = new SaxesParser({ xmlns: true })
  readonly #source: string
  readonly #stack: { path: string; text: string }[] = []
  #run = 0

  constructor(reader: ElementReader, source: string) {
    this.#source = source
    const parser = this.#parser
    parser.on('doctype', () => {
      throw this.error('a document type', 'none')
    })
    parser.on('opentag', tag => {
      this.#run = 0
      const parent = this.#stack.at(-1)
      if (this.#stack.length >= maxDepth) throw this.error(`elements deeper than ${maxDepth}`, `at most ${maxDepth}`)
      const path = parent === undefined ? tag.local : `${parent.path}/${tag.local}`
      this.#stack.push({ path, text: '' })
      reader.open(path, () => Object.fromEntries(Object.values(tag.attributes).map(({ name, value }) => [name, value])))
    })
    const append = (text: string) => {
      this.#run = 0
      const element = this.#stack.at(-1)
      if (element === undefined || !reader.wants.has(element.path)) return
      element.text += text
      if (element.text.length > maxText) throw this.error(`a long text in ${element.path}`, `at most ${maxText}`)
    }
    parser.on('text', append)
    parser.on('cdata', append)
    parser.on('closetag', () => {
      this.#run = 0
      const element = this.#stack.pop()
      if (element !== undefined) reader.close(element.path, element.text.trim())
    })
  }

  write(text: string): void {
    for (let start = 0; start < text.length; start += pieceLength) {
      const piece = text.slice(start, start + pieceLength)
      this.#run += piece.length
      this.#guard(() => this.#parser.write(piece))
      if (this.#run > maxRun) throw this.error('a long run without tags', `at most ${maxRun} characters`)
    }
  }

  /** Refuses a document that has not ended. */
  close(): void {
    this.#guard(() => this.#parser.close())
  }

  error(found: string, wanted: string): ToolError {
    return new ToolError('REPOSITORY_INVALID', 'cannot read the metadata of an RPM repository', {
      found,
      wanted,
      where: {
        source: this.#source,
        path: this.#stack.at(-1)?.path ?? '',
        line: this.#parser.line,
        column: this.#parser.column + 1,
      },
    })
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (error instanceof ToolError) throw error
      // saxes puts line and column before its text; they stand in `where` already. Its full stop would end our sentence
      const text = error instanceof Error ? error.message.replace(/^\d+:\d+: /, '').replace(/\.$/, '') : 'not XML'
      throw this.error(text, 'well-formed XML')
    }
  }
}
