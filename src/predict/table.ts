// Plain text for terminals, at most 80 columns wide.

import { banks } from '../formats/bytes/digest.ts'
import type { PcrValues } from './replay.ts'

export const width = 80

/** A heading, then a line for each PCR and bank; values are broken after 64 digits. */
export function valueLines(pcrs: PcrValues): string[] {
  const lines = Object.entries(pcrs).flatMap(([pcr, values]) =>
    banks.flatMap(bank => {
      const value = values[bank]
      if (value === undefined) return []
      const [first = '', ...rest] = value.match(/.{1,64}/g) ?? []
      const head = `${pcr.padStart(3)} ${bank.padEnd(6)} `
      return [`${head}${first}`, ...rest.map(part => `${' '.repeat(head.length)}${part}`)]
    }),
  )
  return ['PCR bank   value', ...lines]
}

/** Text without anything that moves a cursor, ends a line or changes the direction of writing. Names in images and logs may hold such. */
export function oneLine(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
}

/**
 * Words folded to lines; the first begins with `head`, the others with as many blanks. Longer words stand alone. Neither can bring
 * control characters.
 */
export function fold(head: string, words: string): string[] {
  const [first, text] = [oneLine(head), oneLine(words)]
  const lines: string[] = []
  const indent = ' '.repeat(first.length)
  let line = first
  for (const word of text.split(' ')) {
    if (line.length + word.length > width && line.trim() !== '' && line !== first) {
      lines.push(line.trimEnd())
      line = indent
    }
    line += `${word} `
  }
  lines.push(line.trimEnd())
  return lines.flatMap(long => long.match(new RegExp(`.{1,${width}}`, 'g')) ?? [''])
}
