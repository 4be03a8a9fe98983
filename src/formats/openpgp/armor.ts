// ASCII armor around OpenPGP public keys. RFC 9580 section 6.2.

import { ToolError } from '../../errors.ts'

const begin = '-----BEGIN PGP PUBLIC KEY BLOCK-----'
const end = '-----END PGP PUBLIC KEY BLOCK-----'

/** One block of armored public keys, wherever it stands in a text. */
export const armoredKeys = new RegExp(`${begin}[^]*?${end}`, 'g')

/**
 * The packets of a key file: binary as they are, of armored text all public key blocks one after another. Distributions put
 * several blocks into one file. The checksum of the armor is not looked at (RFC 9580 section 6.1 advises so). Throws
 * RPM_KEY_FILE_INVALID.
 */
export function readKeyFile(bytes: Uint8Array, source: string): Uint8Array {
  if (((bytes[0] ?? 0) & 0x80) !== 0) return bytes
  const text = new TextDecoder().decode(bytes)
  if (text.includes('-----BEGIN PGP PRIVATE KEY BLOCK-----'))
    throw invalid(source, 'a private key', 'public keys only; keep private keys away from here')
  const blocks = text.match(armoredKeys) ?? []
  if (blocks.length === 0) throw invalid(source, 'no public key block', `${begin} and what follows`)
  return new Uint8Array(Buffer.concat(blocks.map(block => decode(block, source))))
}

/** Headers end with an empty line; the checksum is a line that starts with an equals sign. */
function decode(block: string, source: string): Uint8Array {
  const lines = block.split(/\r?\n/).map(line => line.trim())
  const empty = lines.indexOf('')
  if (empty < 0) throw invalid(source, 'no empty line', 'an empty line between the armor’s headers and its contents')
  const text = lines
    .slice(empty + 1, -1)
    .filter(line => !/^=[A-Za-z0-9+/]{4}$/.test(line))
    .join('')
  if (text === '' || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text))
    throw invalid(source, 'text that is not base64', 'base64')
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function invalid(source: string, found: string, wanted: string): ToolError {
  return new ToolError('RPM_KEY_FILE_INVALID', 'cannot read a file with OpenPGP keys', {
    found,
    wanted,
    where: { source },
  })
}
