// The commit message and its trailer: git-interpret-trailers, "Change-Key:".

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
