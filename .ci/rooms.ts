// The import table of src/: which room may import values or types of which, and which libraries.

export interface Room {
  /** Own rooms whose values may be imported. */
  readonly values: readonly string[]
  /** Own rooms whose types may be imported besides. */
  readonly types: readonly string[]
  readonly libraries: readonly string[] | 'any'
}

const storyOrder = ['settings', 'kernel', 'layering', 'image', 'predict', 'propose'] as const
const formats = ['bytes', 'der', 'efi', 'oci', 'openpgp', 'ostree', 'pe', 'rpm', 'shim', 'tcg'] as const
const formatNeighbours: Readonly<Record<string, readonly string[]>> = {
  tcg: ['efi'],
  shim: ['efi', 'der'],
  efi: ['der'],
  pe: ['der'],
}
const everyFormat = formats.map(name => `formats/${name}`)
const everyRoom = [...everyFormat, ...storyOrder, 'errors', 'edge', 'commands']

/** Room → what its files may import. Own files of a room may always import each other. */
export const rooms: Readonly<Record<string, Room>> = {
  errors: { values: [], types: [], libraries: [] },
  'formats/bytes': { values: ['errors'], types: [], libraries: ['node:crypto'] },
  ...Object.fromEntries(
    formats
      .filter(name => name !== 'bytes')
      .map(name => [
        `formats/${name}`,
        {
          values: ['errors', 'formats/bytes', ...(formatNeighbours[name] ?? []).map(other => `formats/${other}`)],
          types: [],
          libraries: ['node:crypto', '@noble/hashes', 'asn1js', 'saxes'],
        },
      ]),
  ),
  ...Object.fromEntries(
    storyOrder.map((name, index) => [
      name,
      {
        values: ['errors', ...everyFormat],
        types: storyOrder.slice(0, index),
        libraries: ['@noble/hashes', 'valibot', 'js-yaml', 'yaml'],
      },
    ]),
  ),
  edge: { values: ['errors', 'formats/oci'], types: everyRoom, libraries: 'any' },
  commands: { values: everyRoom, types: [], libraries: [] },
  'action.ts': { values: ['commands', 'settings', 'edge', 'errors'], types: [], libraries: ['@actions/core'] },
  'cli.ts': { values: ['commands', 'settings', 'edge', 'errors'], types: [], libraries: ['@actions/core'] },
}

/** The table as Markdown, for docs/architecture.md. */
export function renderRooms(): string {
  const text = (words: readonly string[] | 'any') =>
    words === 'any' ? 'any' : words.length === 0 ? '–' : words.join(', ')
  const all = everyRoom.length
  const own = (values: readonly string[]) => {
    if (values.length === all) return 'every room'
    const shown = everyFormat.every(name => values.includes(name))
      ? [...values.filter(name => !name.startsWith('formats/')), 'formats/*']
      : values
    return text(shown)
  }
  const rows = Object.entries(rooms).map(
    ([name, room]) =>
      `| ${name} | ${own(room.values)} | ${room.types.length === all ? 'every room' : text(room.types)} | ${text(room.libraries)} |`,
  )
  return ['| room | values of | types of | libraries |', '|---|---|---|---|', ...rows].join('\n')
}
