// The Spec ID event that begins a crypto-agile log: TCG PC Client Platform Firmware Profile 1.06 §10.4.5.1.

import { ByteCursor } from '../bytes/cursor.ts'
import { type Bank, digestLength } from '../bytes/digest.ts'

/** A digest algorithm of the log. `bank` is undefined for one that we do not compute (SM3 and others). */
export interface LogAlgorithm {
  /** TPM_ALG_ID. */
  readonly id: number
  readonly size: number
  readonly bank: Bank | undefined
}

/** TCG Algorithm Registry, table 3. */
const banksById: Readonly<Record<number, Bank>> = { 4: 'sha1', 11: 'sha256', 12: 'sha384', 13: 'sha512' }

const signature = 'Spec ID Event03\0'
const mostAlgorithms = 16
const largestDigest = 128

/** True when the event data is that of a Spec ID event of a crypto-agile log. */
export function isSpecId(data: Uint8Array): boolean {
  return Buffer.from(data.subarray(0, 16)).toString('latin1') === signature
}

/** The algorithms of the log, in its order. Throws EVENT_LOG_INVALID. */
export function parseSpecId(data: Uint8Array, source: string, origin: number): LogAlgorithm[] {
  const cursor = new ByteCursor(data, source, { path: 'Spec ID event', origin, code: 'EVENT_LOG_INVALID' })
  cursor.skip('signature', 16)
  cursor.skip('platformClass', 4)
  cursor.skip('specVersion', 3)
  cursor.skip('uintnSize', 1)
  const count = cursor.u32('numberOfAlgorithms')
  if (count === 0 || count > mostAlgorithms)
    throw cursor.error('numberOfAlgorithms', `${count}`, `from 1 to ${mostAlgorithms}`)
  const algorithms: LogAlgorithm[] = []
  for (let index = 0; index < count; index++) {
    const id = cursor.u16('algorithmId')
    const size = cursor.u16('digestSize')
    const bank = banksById[id]
    const wanted = bank === undefined ? undefined : digestLength[bank]
    if (size === 0 || size > largestDigest || (wanted !== undefined && size !== wanted))
      throw cursor.error('digestSize', `${size}`, wanted === undefined ? `from 1 to ${largestDigest}` : `${wanted}`)
    if (algorithms.some(other => other.id === id))
      throw cursor.error('algorithmId', `0x${id.toString(16)} twice`, 'each algorithm once')
    algorithms.push({ id, size, bank })
  }
  cursor.skip('vendorInfo', cursor.u8('vendorInfoSize'))
  return algorithms
}
