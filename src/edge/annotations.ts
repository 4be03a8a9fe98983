// The only place where faults become words: annotations of GitHub Actions, text for the terminal, the job summary, JSON, exit codes (house §5.7).

import { ToolError, ToolErrors } from '../errors.ts'

export type ExitCode = 1 | 2 | 70

/** Whether a source is a file of the workspace, which GitHub can show beside the annotation. */
export type IsWorkspaceFile = (source: string) => boolean

/** Annotations of one kind that the runner shows per step. */
const shownPerStep = 10
/** The runner cuts longer messages itself, at 4096 characters. */
const longestMessage = 4000
const reportAt = 'please report it with the log: see SECURITY.md for what not to post'

/** The faults in an error; none when it is not one of ours. */
export function faultsOf(error: unknown): readonly ToolError[] {
  if (error instanceof ToolErrors) return error.errors
  return error instanceof ToolError ? [error] : []
}

/** 2 when the user's words are wrong, 70 for a bug of ours, else 1. */
export function exitCodeOf(error: unknown): ExitCode {
  const faults = faultsOf(error)
  if (faults.length === 0 || faults.some(fault => fault.kind === 'bug')) return 70
  return faults.some(fault => fault.kind === 'settings') ? 2 : 1
}

/** The code for the output `error-code`: that of the first fault. */
export function errorCodeOf(error: unknown): string {
  return faultsOf(error)[0]?.code ?? 'BUG'
}

/** One line per annotation, ready for stdout; at most ten, the tenth says how many more there are. */
export function renderAnnotations(error: unknown, isWorkspaceFile: IsWorkspaceFile): readonly string[] {
  const faults = faultsOf(error)
  if (faults.length === 0) return [annotation({ title: 'BUG' }, `${messageOf(error)}. ${reportAt}`)]
  const shown = faults.length <= shownPerStep ? faults : faults.slice(0, shownPerStep - 1)
  const lines = shown.map(fault => annotate(fault, isWorkspaceFile))
  const left = faults.length - shown.length
  if (left > 0)
    lines.push(
      annotation({ title: errorCodeOf(error) }, `${left} more problems; all are in the log and the job summary`),
    )
  return lines
}

function annotate(fault: ToolError, isWorkspaceFile: IsWorkspaceFile): string {
  const { source, line, column } = fault.where
  const inFile = source !== undefined && isWorkspaceFile(source)
  const properties = {
    title: fault.code,
    ...(inFile ? { file: source } : {}),
    ...(inFile && line !== undefined ? { line: String(line) } : {}),
    ...(inFile && line !== undefined && column !== undefined ? { col: String(column) } : {}),
  }
  const where = placeOf(fault)
  const place = inFile || where === '' ? '' : ` (${where})`
  return annotation(properties, `${sentence(fault)}${place}.${fault.hint === undefined ? '' : ` ${fault.hint}`}`)
}

function annotation(properties: Readonly<Record<string, string>>, message: string): string {
  const list = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(value)}`)
  return `::error ${list.join(',')}::${escapeMessage(message.slice(0, longestMessage))}`
}

/** Escapes as @actions/core does and actions/runner undoes (ActionCommand.cs). */
export function escapeMessage(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

export function escapeProperty(text: string): string {
  return escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}

/** Text for the terminal: one block per fault, without a stack. */
export function renderText(error: unknown): string {
  const faults = faultsOf(error)
  if (faults.length === 0) return `BUG: ${messageOf(error)}\n  hint: ${reportAt}\n${stackOf(error)}`
  return faults.map(block).join('\n')
}

function block(fault: ToolError): string {
  const where = placeOf(fault)
  return [
    `${fault.code}: ${printable(fault.message)}`,
    ...(fault.found === undefined ? [] : [`  found: ${printable(fault.found)}`]),
    ...(fault.wanted === undefined ? [] : [`  wanted: ${printable(fault.wanted)}`]),
    ...(where === '' ? [] : [`  where: ${where}`]),
    ...(fault.hint === undefined ? [] : [`  hint: ${printable(fault.hint)}`]),
    `  see: ${pageOf(fault)}`,
  ].join('\n')
}

/** Markdown for the job summary, with every fault. */
export function renderSummary(error: unknown): string {
  const faults = faultsOf(error)
  const title = `## attested-os-update: ${faults.length > 1 ? `${faults.length} problems` : 'failed'}`
  if (faults.length === 0) return `${title}\n\n**BUG** ${codeSpan(messageOf(error))}: ${reportAt}\n`
  const rows = faults.map(fault => {
    const where = placeOf(fault)
    const hint = fault.hint === undefined ? '' : `: ${fault.hint}`
    return `- **${fault.code}** ${codeSpan(sentence(fault))}${where === '' ? '' : ` at ${codeSpan(where)}`}${plainMarkdown(hint)}`
  })
  return `${title}\n\n${rows.join('\n')}\n`
}

/** A fault as `--json` prints it. */
export function errorDocument(error: unknown): readonly Readonly<Record<string, unknown>>[] {
  const faults = faultsOf(error)
  if (faults.length === 0) return [{ code: 'BUG', message: messageOf(error) }]
  return faults.map(({ code, message, found, wanted, where, hint }) => ({ code, message, found, wanted, where, hint }))
}

/** The stack of an error that is not ours, with its causes; '' for faults. */
export function stackOf(error: unknown): string {
  if (faultsOf(error).length > 0) return ''
  const stacks: string[] = []
  for (let cause = error; cause instanceof Error && stacks.length < 5; cause = cause.cause)
    stacks.push(cause.stack ?? cause.message)
  return stacks.join('\ncaused by: ')
}

function messageOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error))
}

/** Message, found and wanted in one sentence without its full stop. */
function sentence(fault: ToolError): string {
  const found = fault.found === undefined ? '' : `, found ${fault.found}`
  const wanted = fault.wanted === undefined ? '' : `, wanted ${fault.wanted}`
  return printable(`${fault.message}${found}${wanted}`)
}

/** `step / source / path, byte 12, line 3, column 4`, whatever of it is known. */
function placeOf({ where }: ToolError): string {
  const names = [where.step, where.source, where.path].filter(part => part !== undefined).join(' / ')
  const numbers = [
    ...(where.offset === undefined ? [] : [`byte ${where.offset}`]),
    ...(where.line === undefined ? [] : [`line ${where.line}`]),
    ...(where.column === undefined ? [] : [`column ${where.column}`]),
  ]
  return printable([...(names === '' ? [] : [names]), ...numbers].join(', '))
}

function pageOf(fault: ToolError): string {
  return `docs/errors.md#${fault.code.toLowerCase()}`
}

/** What others wrote may hold escape sequences of terminals; line ends stay. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '�')
}

function codeSpan(text: string): string {
  return `\`${text.replace(/\s*\n\s*/g, ' ').replaceAll('`', "'")}\``
}

function plainMarkdown(text: string): string {
  return printable(text)
    .replace(/\s*\n\s*/g, ' ')
    .replace(/[<>[\]|]/g, character => `\\${character}`)
}
