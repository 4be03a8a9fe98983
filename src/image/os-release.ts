// os-release(5): which operating system an image holds.

export interface OsRelease {
  readonly id: string | null
  readonly versionId: string | null
}

/** Longer lines hold nothing that is asked for. */
const lineCeiling = 4096

/** ID and VERSION_ID; null where the file has none. Quotes and backslashes as a shell reads them. */
export function parseOsRelease(bytes: Uint8Array): OsRelease {
  const values = new Map<string, string>()
  for (const line of new TextDecoder().decode(bytes.subarray(0, 64 * 1024)).split('\n')) {
    if (line.length > lineCeiling) continue
    const text = line.trim()
    const name = /^[A-Z][A-Z0-9_]*(?==)/.exec(text)?.[0]
    if (name !== undefined) values.set(name, unquoted(text.slice(name.length + 1)))
  }
  return { id: values.get('ID') || null, versionId: values.get('VERSION_ID') || null }
}

function unquoted(text: string): string {
  const quote = text[0] === '"' || text[0] === "'" ? text[0] : undefined
  const quoted = quote !== undefined && text.length > 1 && text.endsWith(quote)
  const inner = quoted ? text.slice(1, -1) : text
  return quoted && quote === "'" ? inner : inner.replace(/\\(.)/g, '$1')
}
