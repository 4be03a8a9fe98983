// os-release(5): which operating system an image holds.

export interface OsRelease {
  readonly id: string | null
  readonly versionId: string | null
}

/** ID and VERSION_ID; null where the file has none. Quotes and backslashes as a shell reads them. */
export function parseOsRelease(bytes: Uint8Array): OsRelease {
  const values = new Map<string, string>()
  for (const line of new TextDecoder().decode(bytes.subarray(0, 64 * 1024)).split('\n')) {
    const match = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line)
    if (match) values.set(match[1] ?? '', unquoted(match[2] ?? ''))
  }
  return { id: values.get('ID') || null, versionId: values.get('VERSION_ID') || null }
}

function unquoted(text: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(text)
  const inner = quoted?.[2] ?? text
  return quoted?.[1] === "'" ? inner : inner.replace(/\\(.)/g, '$1')
}
