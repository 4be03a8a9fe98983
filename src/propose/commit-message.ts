// Where the change key stands: in the commit's trailer (git-interpret-trailers, "Change-Key:") and in the text of the pull request.

const trailer = /^Change-Key: ([0-9a-f]{64})$/

/** Subject, body and trailer. */
export function formatCommitMessage(subject: string, body: string, changeKey: string): string {
  return `${subject}\n\n${body}\n\nChange-Key: ${changeKey}\n`
}

/** The key in the last paragraph of a message, or undefined. */
export function changeKeyOf(message: string): string | undefined {
  const last =
    message
      .trimEnd()
      .split(/\n\s*\n/)
      .at(-1) ?? ''
  const keys = last.split('\n').flatMap(line => trailer.exec(line)?.[1] ?? [])
  return keys.length === 1 ? keys[0] : undefined
}

/** The line of the pull request's text that names record and key; `record` is finished markup. */
export function changeKeyLine(record: string, changeKey: string): string {
  return `Record: ${record}, change key \`${changeKey}\``
}

/** Whether a pull request's text was written for this key. GitHub's editor makes line ends CR LF. */
export function bodyHasKey(body: string, changeKey: string): boolean {
  return body
    .split('\n')
    .some(line => line.startsWith('- Record: ') && line.trimEnd().endsWith(`, change key \`${changeKey}\``))
}
