// EV_NO_ACTION events, which tell and never extend: TCG PC Client Platform Firmware Profile 1.06 §10.4.5.

import type { ByteCursor } from '../bytes/cursor.ts'
import type { EventData } from './event-data.ts'

const signatureSize = 16

/** By the signature at the beginning: the locality of TPM2_Startup, else its text. undefined where no text is. Throws the cursor's code. */
export function parseNoAction(data: Uint8Array, cursor: ByteCursor): EventData | undefined {
  const signature = signatureOf(data)
  if (signature === undefined) return undefined
  if (signature !== 'StartupLocality') return { kind: 'no-action', signature, size: data.length }
  cursor.skip('Signature', signatureSize)
  return { kind: 'startup-locality', locality: cursor.u8('StartupLocality') }
}

/** Text of the first 16 bytes up to the NUL bytes that fill them. */
function signatureOf(data: Uint8Array): string | undefined {
  const text = Buffer.from(data.subarray(0, signatureSize)).toString('latin1')
  return text.match(/^([\x20-\x7e]{4,16})\0*$/)?.[1]
}
