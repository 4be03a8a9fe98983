// Policies for PCR 11 that a UKI carries signed in .pcrsig: systemd-measure(1), "sign"; TPM 2.0 Library, part 3, TPM2_PolicyPCR.

import { ToolError } from '../../errors.ts'
import { type Bank, banks, type Digests, digestIn, digestInBanks } from '../../formats/bytes/digest.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import { extendAll, startValue } from '../extend.ts'

/** TPM_ALG_ID of the banks: TCG Algorithm Registry. */
const algorithms: Readonly<Record<Bank, number>> = { sha1: 0x0004, sha256: 0x000b, sha384: 0x000c, sha512: 0x000d }
/** TPM_CC_PolicyPCR. */
const commandPolicyPcr = 0x17f
/** Words that systemd extends PCR 11 by, in order, without NUL; policies are signed for the value after each of them. */
export const bootPhases = ['enter-initrd', 'leave-initrd', 'sysinit', 'ready'] as const
const largestSection = 1024 ** 2

/**
 * Whether a policy in the section belongs to PCR 11 after these digests and none, one or more boot phases. undefined: no policy for PCR 11
 * alone is there. The signatures are not checked: the policies serve to find out what is measured. Throws UKI_INVALID.
 */
export function confirmedByPolicies(
  digests: readonly Digests[],
  section: Uint8Array,
  source: string,
): boolean | undefined {
  const signed = parsePolicies(section, source)
  const known = banks.filter(bank => (signed.get(bank)?.size ?? 0) > 0)
  if (known.length === 0) return undefined
  return known.every(bank => policiesOf(bank, digests).some(policy => signed.get(bank)?.has(policy)))
}

/** The policy digests for the value before the first phase and after each. */
function policiesOf(bank: Bank, digests: readonly Digests[]): string[] {
  let value = extendAll(
    bank,
    startValue(bank, 11),
    digests.map(one => one[bank]),
  )
  const policies = [pcrPolicy(bank, 11, value)]
  for (const phase of bootPhases) {
    value = extendAll(bank, value, [digestInBanks(new Uint8Array(Buffer.from(phase, 'latin1')))[bank]])
    policies.push(pcrPolicy(bank, 11, value))
  }
  return policies
}

/** SHA-256 policy digest, as hex, of a session with TPM2_PolicyPCR for one PCR and nothing else. */
export function pcrPolicy(bank: Bank, pcr: number, value: Uint8Array): string {
  const head = Buffer.alloc(4 + 4 + 2 + 1 + 3)
  head.writeUInt32BE(commandPolicyPcr, 0)
  head.writeUInt32BE(1, 4)
  head.writeUInt16BE(algorithms[bank], 8)
  head.writeUInt8(3, 10)
  head.writeUInt8(1 << (pcr % 8), 11 + Math.floor(pcr / 8))
  return formatHex(digestIn('sha256', new Uint8Array(32), head, digestIn('sha256', value)))
}

function parsePolicies(section: Uint8Array, source: string): ReadonlyMap<Bank, ReadonlySet<string>> {
  const document = parseDocument(section, source)
  return new Map(
    banks.map(bank => {
      const entries: unknown = document[bank]
      const policies = (Array.isArray(entries) ? entries : []).flatMap((entry: unknown) => policyOf(entry))
      return [bank, new Set(policies)]
    }),
  )
}

function policyOf(entry: unknown): string[] {
  if (typeof entry !== 'object' || entry === null || !('pcrs' in entry) || !('pol' in entry)) return []
  const { pcrs, pol } = entry
  const alone = Array.isArray(pcrs) && pcrs.length === 1 && pcrs[0] === 11
  return alone && typeof pol === 'string' ? [pol.toLowerCase()] : []
}

function parseDocument(section: Uint8Array, source: string): Partial<Record<string, unknown>> {
  const refuse = (found: string) =>
    new ToolError('UKI_INVALID', 'the section .pcrsig cannot be read', {
      found,
      wanted: 'a JSON object with a list for each bank',
      where: { source, path: '.pcrsig' },
    })
  if (section.length > largestSection) throw refuse(`${section.length} bytes`)
  const end = section.indexOf(0)
  const text = Buffer.from(end < 0 ? section : section.subarray(0, end)).toString('utf8')
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) return { ...document }
  } catch {
    throw refuse('no JSON')
  }
  throw refuse('JSON of another kind')
}
