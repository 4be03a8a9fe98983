// A prediction as component files of systemd-pcrlock: systemd.pcrlock(5), a subset of TCG CEL-JSON.

import { type Bank, banks, sha256Hex } from '../../formats/bytes/digest.ts'
import type { MeasuredEvent, PredictionDocument } from '../prediction.ts'
import { cannotExpress, onePrediction } from './choice.ts'

const format = 'pcrlock'

/** Components that come with systemd, below /usr/lib/pcrlock.d: they hold these events already. */
const comesWithSystemd: readonly string[] = ['Pcr4EfiCall', 'Pcr4Separator', 'Pcr7Separator', 'Pcr11EnterInitrd']

/**
 * Which loaded file opens which component. systemd-pcrlock puts components in the order of their names; 240, 620, 650 and 750 are
 * its own numbers, and a boot manager stands between the authorities and the kernel.
 */
const componentOfFile: ReadonlyMap<string, string> = new Map([
  ['Pcr4Shim', '630-boot-loader-code-shim'],
  ['Pcr4Grub', '640-boot-loader-code'],
  ['Pcr4SystemdBoot', '640-boot-loader-code'],
  ['Pcr4Vmlinuz', '650-kernel'],
  ['Pcr4Uki', '650-uki'],
])
const [policyComponent, authorityComponent] = ['240-secureboot-policy', '620-secureboot-authority']

/** One record: CEL-JSON without record number and content, which systemd-pcrlock ignores. */
export interface PcrlockRecord {
  readonly pcr: number
  readonly digests: readonly { readonly hashAlg: Bank; readonly digest: string }[]
}

/** What one `.pcrlock` file holds. */
export interface PcrlockFile {
  readonly records: readonly PcrlockRecord[]
}

/**
 * One JSON object: name of each file below a pcrlock.d directory → its content. A file is one variant of a component and is named by
 * its own digest, so the files of an old and of a new image lie beside each other. Every event has all four banks.
 * Throws FORMAT_CANNOT_EXPRESS for several predictions, and for an event that no loaded file comes before.
 */
export function formatPcrlock(document: Pick<PredictionDocument, 'predictions'>): string {
  return `${JSON.stringify(Object.fromEntries(pcrlockFiles(document)), null, 2)}\n`
}

/** The files of `formatPcrlock`, in the order that systemd-pcrlock gives the components. */
export function pcrlockFiles(document: Pick<PredictionDocument, 'predictions'>): Map<string, PcrlockFile> {
  const components = new Map<string, PcrlockRecord[]>()
  let ofFile: string | undefined
  let afterSeparator = false
  for (const event of onePrediction(document, format).events) {
    ofFile = componentOfFile.get(event.part) ?? ofFile
    const component = event.pcr === 7 ? (afterSeparator ? authorityComponent : policyComponent) : ofFile
    if (event.part === 'Pcr7Separator') afterSeparator = true
    if (comesWithSystemd.includes(event.part)) continue
    if (component === undefined)
      throw cannotExpress(format, `the event ${event.part} in PCR ${event.pcr}`, 'events of a loaded file, or of PCR 7')
    components.set(component, [...(components.get(component) ?? []), recordOf(event)])
  }
  const sorted = [...components].sort(([one], [other]) => (one < other ? -1 : 1))
  return new Map(
    sorted.map(([component, records]) => [`${component}.pcrlock.d/${variantName(records)}.pcrlock`, { records }]),
  )
}

function recordOf({ pcr, digests }: MeasuredEvent): PcrlockRecord {
  return { pcr, digests: banks.map(hashAlg => ({ hashAlg, digest: digests[hashAlg] })) }
}

/** The same records have the same name everywhere. */
function variantName(records: readonly PcrlockRecord[]): string {
  return sha256Hex(Buffer.from(JSON.stringify(records))).slice(0, 16)
}
