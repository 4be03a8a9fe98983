// The reasons of `explain` as a table for docs/explain.md.

import { reasonTexts } from '../src/predict/explain/reasons.ts'

/** Code and text; words that a text leaves open stand in italics. */
export function renderReasons(): string {
  const rows = Object.entries(reasonTexts).map(([code, text]) => `| ${code} | ${text.replace(/\{(\w+)\}/g, '*$1*')} |`)
  return ['| code | text |', '|---|---|', ...rows].join('\n')
}
