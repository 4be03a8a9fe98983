// Boolean dependencies, like `(dracut if systemd)`: rpm, docs/man/rpm-dependencies.7 and lib/rpmds.cc (rpmrichParse).

import { type Dependency, parseDependency } from './dependency.ts'

export type RichOperator = 'and' | 'or' | 'if' | 'unless' | 'with' | 'without'

/** One dependency, or an expression. `else` stands only with `if` and `unless`. */
export type RichDependency =
  | { readonly kind: 'one'; readonly dependency: Dependency }
  | {
      readonly kind: 'expression'
      readonly operator: RichOperator
      /** Two or more; exactly two for `if`, `unless` and `without`. */
      readonly operands: readonly RichDependency[]
      readonly else?: RichDependency
    }

const operators: readonly string[] = ['and', 'or', 'if', 'unless', 'with', 'without']
/** rpm itself allows 20 (lib/rpmds.cc, parseRichDep). */
const maxDepth = 20
const maxTokens = 2000

/** True for the name of a dependency that is an expression. */
export function isRich(name: string): boolean {
  return name.startsWith('(')
}

/** Reads the name of a boolean dependency; undefined where it is none that rpm would take. */
export function parseRichDependency(text: string): RichDependency | undefined {
  const tokens = tokensOf(text)
  if (tokens.length === 0 || tokens.length > maxTokens) return undefined
  const reader = { tokens, at: 0 }
  const read = readGroup(reader, 0)
  return read !== undefined && reader.at === tokens.length ? read : undefined
}

interface TokenReader {
  readonly tokens: readonly string[]
  at: number
}

/** Parentheses stand alone where they group; within a name, as in `kernel(x86-64)`, they belong to it. */
function tokensOf(text: string): string[] {
  const tokens: string[] = []
  for (const word of text.split(/\s+/).filter(one => one !== '')) {
    const opening = /^\(+/.exec(word)?.[0].length ?? 0
    tokens.push(...'('.repeat(opening))
    let rest = word.slice(opening)
    let closing = 0
    while (rest.endsWith(')') && count(rest, ')') > count(rest, '(')) {
      rest = rest.slice(0, -1)
      closing += 1
    }
    if (rest !== '') tokens.push(rest)
    tokens.push(...')'.repeat(closing))
  }
  return tokens
}

function count(text: string, sign: string): number {
  return text.split(sign).length - 1
}

function readGroup(reader: TokenReader, depth: number): RichDependency | undefined {
  if (depth > maxDepth || reader.tokens[reader.at] !== '(') return undefined
  reader.at += 1
  const operands: RichDependency[] = []
  let operator: string | undefined
  let otherwise: RichDependency | undefined
  for (;;) {
    const operand = readOperand(reader, depth)
    if (operand === undefined) return undefined
    operands.push(operand)
    const token = reader.tokens[reader.at]
    reader.at += 1
    if (token === ')') break
    if (token === 'else' && (operator === 'if' || operator === 'unless') && operands.length === 2) {
      otherwise = readOperand(reader, depth)
      if (otherwise === undefined || reader.tokens[reader.at] !== ')') return undefined
      reader.at += 1
      break
    }
    if (token === undefined || !operators.includes(token)) return undefined
    // chains are allowed of one operator that can be chained
    if (operator !== undefined && (operator !== token || !['and', 'or', 'with'].includes(token))) return undefined
    operator = token
  }
  const [first] = operands
  if (operator === undefined) return operands.length === 1 ? first : undefined
  const expression = { kind: 'expression', operator: operator as RichOperator, operands } as const
  return otherwise === undefined ? expression : { ...expression, else: otherwise }
}

function readOperand(reader: TokenReader, depth: number): RichDependency | undefined {
  if (reader.tokens[reader.at] === '(') return readGroup(reader, depth + 1)
  const words: string[] = []
  for (let token = reader.tokens[reader.at]; token !== undefined; token = reader.tokens[reader.at]) {
    if (token === '(' || token === ')' || token === 'else' || operators.includes(token)) break
    words.push(token)
    reader.at += 1
  }
  const dependency = parseDependency(words.join(' '))
  return dependency === undefined ? undefined : { kind: 'one', dependency }
}
