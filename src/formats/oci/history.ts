// What an image config says of how its layers were made: OCI image-spec 1.1 config.md, history. Words of whoever built the image; they prove nothing.

/** For each layer, lowest first; undefined where rows and layers do not correspond. Never throws. */
export function layerDescriptions(configBytes: Uint8Array, layerCount: number): readonly string[] | undefined {
  let config: unknown
  try {
    config = JSON.parse(new TextDecoder().decode(configBytes))
  } catch {
    return undefined
  }
  const history = (config as { readonly history?: unknown } | null)?.history
  if (!Array.isArray(history)) return undefined
  const rows = history.filter(row => typeof row === 'object' && row !== null && row.empty_layer !== true)
  if (rows.length !== layerCount) return undefined
  return rows.map(({ created_by: made, comment }: Record<string, unknown>) =>
    [made, comment].filter(text => typeof text === 'string').join(' '),
  )
}
