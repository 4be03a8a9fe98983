// A prediction as measured boot policy of Keylime: keylime/mba/elchecking/example.py, which compares events and not PCR values.

import { formatHex } from '../../formats/bytes/hex.ts'
import { parseSignatureLists } from '../../formats/efi/signature-list.ts'
import type { VendorCert } from '../../formats/shim/vendor-cert.ts'
import { type LoggedEvent, parseEventLog } from '../../formats/tcg/event-log.ts'
import type { Platform } from '../platform/platform.ts'
import type { BootFileFacts, Prediction, PredictionDocument } from '../prediction.ts'
import { cannotExpress, nameOf, onePrediction } from './choice.ts'

const format = 'keylime'

/**
 * Events that the policy has a rule for. It takes each authority once: a second certificate of db or of MokListRT is refused there,
 * and MokSBState and dbt have no rule.
 */
const knownParts: readonly string[] = [
  ...['EfiCall', 'Separator', 'Shim', 'Grub', 'Vmlinuz', 'VmlinuzAgain'].map(name => `Pcr4${name}`),
  ...['SecureBoot', 'Pk', 'Kek', 'Db', 'Dbx', 'Separator'].map(name => `Pcr7${name}`),
  ...['ShimCert', 'SbatLevel', 'GrubVendorDbCert', 'GrubMokListCert'].map(name => `Pcr7${name}`),
  ...['MokList', 'MokListX', 'MokListTrusted'].map(name => `Pcr14${name}`),
]

export interface KeylimeOptions {
  /** Profiles that were predicted for: their keys, and their event log for the firmware. */
  readonly platforms: readonly Platform[]
  /** .vendor_cert of the shim that was predicted; undefined: not read. */
  readonly vendorCert: VendorCert | undefined
}

interface KeylimeDigest {
  /** `0x` and lower-case hex. */
  readonly sha256: string
}

/** Owner as tpm2-tools 5.2 and newer print it; older ones swap its bytes. */
interface KeylimeKey {
  readonly SignatureOwner: string
  readonly SignatureData: string
}

/** What is null is not known from boot files and profile. Keylime refuses every boot until it is filled in. */
export interface KeylimePolicy {
  readonly has_secureboot: boolean
  readonly scrtm_and_bios:
    | readonly { readonly scrtm: KeylimeDigest; readonly platform_firmware: readonly KeylimeDigest[] }[]
    | null
  readonly pk: readonly KeylimeKey[] | null
  readonly kek: readonly KeylimeKey[] | null
  readonly db: readonly KeylimeKey[] | null
  readonly dbx: readonly KeylimeKey[] | null
  readonly vendor_db: readonly KeylimeKey[] | null
  readonly mokdig: readonly KeylimeDigest[]
  readonly mokxdig: readonly KeylimeDigest[]
  readonly kernels: readonly Readonly<Record<string, string | null>>[]
}

/** The policy as JSON. Throws FORMAT_CANNOT_EXPRESS for several predictions and as `keylimePolicy`. */
export function formatKeylime(
  document: Pick<PredictionDocument, 'predictions' | 'bootFiles'>,
  options: KeylimeOptions,
): string {
  const policy = keylimePolicy(onePrediction(document, format), document.bootFiles, options)
  return `${JSON.stringify(policy, null, 2)}\n`
}

/**
 * Throws FORMAT_CANNOT_EXPRESS for another chain than shim, GRUB and Linux, for an event that the policy has no rule for, and
 * for a kernel that is not measured although Secure Boot is on.
 */
export function keylimePolicy(
  prediction: Prediction,
  bootFiles: readonly BootFileFacts[],
  { platforms, vendorCert }: KeylimeOptions,
): KeylimePolicy {
  checkExpressible(prediction)
  const platform = platforms.find(({ name }) => name === prediction.platform)
  const keys = (name: 'PK' | 'KEK' | 'db' | 'dbx') =>
    platform === undefined ? null : keysOf(platform.keys[name], `${platform.name}/${name}`)
  return {
    has_secureboot: prediction.secureBoot,
    scrtm_and_bios: platform?.eventLog === undefined ? null : firmwareOf(platform.eventLog, platform.name),
    pk: keys('PK'),
    kek: keys('KEK'),
    db: keys('db'),
    dbx: keys('dbx'),
    vendor_db: vendorKeys(prediction, vendorCert),
    mokdig: [{ sha256: eventDigest(prediction, 'Pcr14MokList') }],
    mokxdig: [{ sha256: eventDigest(prediction, 'Pcr14MokListX') }],
    kernels: [bootOf(prediction, bootFiles)],
  }
}

function checkExpressible(prediction: Prediction): void {
  const { bootChain, secureBoot, events } = prediction
  if (bootChain !== 'shim-grub-linux') throw cannotExpress(format, `the boot chain ${bootChain}`, 'shim-grub-linux')
  const unknown = events.find(({ part }) => !knownParts.includes(part))
  if (unknown !== undefined)
    throw cannotExpress(
      format,
      `the event ${unknown.part} (${unknown.because})`,
      'events that the policy of Keylime knows',
    )
  const kernels = events.filter(({ part }) => part.startsWith('Pcr4Vmlinuz')).length
  if (secureBoot ? kernels < 1 || kernels > 2 : kernels > 0)
    throw cannotExpress(
      format,
      `the kernel measured ${kernels} times for ${nameOf(prediction)}`,
      secureBoot ? 'once or twice' : 'not at all',
    )
}

function eventDigest(prediction: Prediction, part: string): string {
  const event = prediction.events.find(candidate => candidate.part === part)
  if (event === undefined) throw cannotExpress(format, `no event ${part} for ${nameOf(prediction)}`, part)
  return `0x${event.digests.sha256}`
}

/** One entry of `kernels`. The command line is a regular expression that only the owner of the machine can write. */
function bootOf(prediction: Prediction, bootFiles: readonly BootFileFacts[]): Readonly<Record<string, string | null>> {
  return {
    shim_authcode_sha256: eventDigest(prediction, 'Pcr4Shim'),
    grub_authcode_sha256: eventDigest(prediction, 'Pcr4Grub'),
    ...(prediction.secureBoot
      ? { kernel_authcode_sha256: eventDigest(prediction, 'Pcr4Vmlinuz') }
      : { vmlinuz_plain_sha256: fileDigest(bootFiles, 'kernel') }),
    initrd_plain_sha256: fileDigest(bootFiles, 'initramfs'),
    kernel_cmdline: null,
  }
}

/** GRUB measures these files as they are; null without the file or with several. */
function fileDigest(bootFiles: readonly BootFileFacts[], role: string): string | null {
  const [only, ...others] = bootFiles.filter(file => file.role === role)
  return only === undefined || others.length > 0 ? null : `0x${only.sha256}`
}

/** Without the section, it is known only where PCR 7 is predicted and shim did not use it. */
function vendorKeys(prediction: Prediction, vendorCert: VendorCert | undefined): KeylimeKey[] | null {
  if (vendorCert !== undefined)
    return vendorCert.allowed.kind === 'lists' ? keysOf(vendorCert.allowed.bytes, '.vendor_cert') : []
  const used = prediction.events.some(({ part }) => part === 'Pcr7GrubVendorDbCert')
  return used || prediction.pcrs['7'] === undefined ? null : []
}

function keysOf(lists: Uint8Array, source: string): KeylimeKey[] {
  return parseSignatureLists(lists, source).flatMap(({ signatures }) =>
    signatures.map(({ owner, data }) => ({ SignatureOwner: owner, SignatureData: `0x${formatHex(data)}` })),
  )
}

/** Firmware as the profile's own log has it: its version, then its volumes. null when the log does not hold both. */
function firmwareOf(log: Uint8Array, source: string): KeylimePolicy['scrtm_and_bios'] {
  const events = parseEventLog(log, source).events.filter(({ pcr }) => pcr === 0)
  const [version, ...others] = digestsOf(events.filter(({ type }) => type === 'EV_S_CRTM_VERSION'))
  const volumes = digestsOf(events.filter(({ type }) => type.startsWith('EV_EFI_PLATFORM_FIRMWARE_BLOB')))
  return version === undefined || others.length > 0 || volumes.length === 0
    ? null
    : [{ scrtm: version, platform_firmware: volumes }]
}

function digestsOf(events: readonly LoggedEvent[]): KeylimeDigest[] {
  return events.flatMap(({ digests }) =>
    digests.sha256 === undefined ? [] : [{ sha256: `0x${formatHex(digests.sha256)}` }],
  )
}
