// GitHub Flavored Markdown. Text that comes from outside stands in code spans and fences only, where nothing is a link, a mention or HTML.

/** Control characters, line and paragraph separators, and marks that turn the reading direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are what is taken out
const invisible = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+/g
/** Half of a pair that lost its other half. */
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const clean = (text: string) => text.replace(invisible, ' ').replace(loneSurrogate, '\ufffd')

/** At most `most` UTF-16 units, with a mark where text was cut; never half a pair. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text
  return `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** A code span for any text, also inside a table cell: one line, backticks fenced by more of them, pipes escaped as tables want. */
export function code(text: string, most = 200): string {
  const shown = shorten(clean(text).trim(), most)
  if (shown === '') return '(empty)'
  const ticks = '`'.repeat(longestRun(shown) + 1)
  const space = shown.startsWith('`') || shown.endsWith('`') ? ' ' : ''
  return `${ticks}${space}${shown}${space}${ticks}`
}

/** The same for a table cell: there a pipe must be escaped even inside code. */
export function cell(text: string, most = 200): string {
  return code(text, most).replaceAll('|', '\\|')
}

/** A fenced block for any lines. */
export function fence(lines: readonly string[], most = 4000): string {
  const shown = lines.map(line => shorten(clean(line), most))
  const ticks = '`'.repeat(Math.max(3, ...shown.map(line => longestRun(line) + 1)))
  return [ticks, ...shown, ticks].join('\n')
}

/** Finished text that opens with a click. `title` is ours. */
export function folded(title: string, text: string): string {
  return `<details><summary>${title}</summary>\n\n${text}\n\n</details>`
}

/** Rows of finished cells. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

export function bullets(items: readonly string[]): string {
  return items.map(item => `- ${item}`).join('\n')
}

/** `pool a`, or `pools a, b`; names in code spans. */
export function pools(names: readonly string[]): string {
  const shown = names.slice(0, 20).map(name => code(name))
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : ''
  return `${names.length === 1 ? 'pool' : 'pools'} ${shown.join(', ')}${more}`
}

function longestRun(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map(run => run.length))
}

export interface Section {
  readonly title: string
  readonly text: string
  /** Stays even when the whole is too long; keep such sections small. */
  readonly kept: boolean
}

/** GitHub takes 65,536 characters; other tools saw failures from 60,000 on. */
export const bodyCeiling = 58_000

/** Sections one after another. While the whole is too long, the longest that need not be kept gives way to one line. */
export function joinSections(start: string, sections: readonly Section[], instead: string): string {
  let shown = [...sections]
  for (;;) {
    const whole = [start, ...shown.map(({ title, text }) => `## ${title}\n\n${text}`)].join('\n\n')
    if (whole.length <= bodyCeiling) return `${whole}\n`
    const longest = shown.filter(({ kept }) => !kept).sort((a, b) => b.text.length - a.text.length)[0]
    if (longest === undefined) return `${shorten(whole, bodyCeiling)}\n`
    shown = shown.map(section => (section === longest ? { ...section, text: instead, kept: true } : section))
  }
}
