// Names in a JSON text of which programs take different ones: Go's encoding/json takes the last of several, in any case, and puts objects together; serde refuses or takes the last.

import { ToolError } from '../../errors.ts'

const token = /"(?:[^"\\]|\\.)*"|[{}[\],]|[^\s"{}[\],:]+/g

/** Objects whose names are data: Go keeps these in maps, which know case. */
const isMap = (name: string): boolean => /^(?:labels|annotations|volumes|exposedports)$/.test(name)

/** As encoding/json compares names of fields: also the long s and the Kelvin sign. */
export const folded = (name: string): string => name.toUpperCase().toLowerCase()

interface OpenObject {
  /** As they are compared; undefined for a list. */
  readonly names: Set<string> | undefined
  readonly byCase: boolean
  /** The name that was read last. */
  last: string
  nameNext: boolean
}

/** Throws IMAGE_INVALID when an object has a name twice, or a field once more in other case. `text` was parsed before. */
export function expectClearNames(text: string, source: string, what: string): void {
  const open: OpenObject[] = []
  for (const [one] of text.matchAll(token)) {
    const at = open.at(-1)
    if (one === '{' || one === '[') {
      const names = one === '{' ? new Set<string>() : undefined
      open.push({ names, byCase: isMap(folded(at?.last ?? '')), last: at?.last ?? '', nameNext: one === '{' })
    } else if (one === '}' || one === ']') open.pop()
    else if (one === ',') {
      if (at?.names !== undefined) at.nameNext = true
    } else if (at?.names !== undefined && at.nameNext) {
      const name = JSON.parse(one) as string
      const compared = at.byCase ? name : folded(name)
      if (at.names.has(compared))
        throw new ToolError('IMAGE_INVALID', 'programs do not agree on a field of the image', {
          found: `${JSON.stringify(name.slice(0, 200))} once more`,
          wanted: 'each name once, in one case',
          where: { source, path: what },
        })
      at.names.add(compared)
      at.last = name
      at.nameNext = false
    }
  }
}
