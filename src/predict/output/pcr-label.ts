// The image label org.coreos.pcrs: JSON of compute-pcrs (lib/src/pcrs.rs, lib/src/tpmevents.rs), as the operator reads it.

import { ToolError } from '../../errors.ts'
import { digestLength } from '../../formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../formats/bytes/hex.ts'
import { extendAll } from '../extend.ts'

/** TPMEventID in the order of the enumeration, without its two marks for the ends of the event tree. */
export const eventIds = [
  'Pcr4EfiCall',
  'Pcr4Separator',
  'Pcr4Shim',
  'Pcr4Grub',
  'Pcr4Vmlinuz',
  'Pcr7SecureBoot',
  'Pcr7Pk',
  'Pcr7Kek',
  'Pcr7Db',
  'Pcr7Dbx',
  'Pcr7Separator',
  'Pcr7ShimCert',
  'Pcr7SbatLevel',
  'Pcr7GrubDbCert',
  'Pcr7GrubVendorDbCert',
  'Pcr7GrubMokListCert',
  'Pcr11Linux',
  'Pcr11LinuxContent',
  'Pcr11Osrel',
  'Pcr11OsrelContent',
  'Pcr11Cmdline',
  'Pcr11CmdlineContent',
  'Pcr11Initrd',
  'Pcr11InitrdContent',
  'Pcr11Uname',
  'Pcr11UnameContent',
  'Pcr11Sbat',
  'Pcr11SbatContent',
  'Pcr14MokList',
  'Pcr14MokListX',
  'Pcr14MokListTrusted',
] as const
export type EventId = (typeof eventIds)[number]

/** One event. `name` is the type of the event; in PCR 11 the name of the section, or `<section>_CONTENT`. */
export interface LabelledEvent {
  readonly name: string
  readonly pcr: number
  /** SHA-256, lower-case hex. */
  readonly hash: string
  readonly id: EventId
}

/** One PCR. The operator computes its value from the events again and does not use `value`. */
export interface LabelledPcr {
  readonly id: number
  /** SHA-256 bank, lower-case hex. */
  readonly value: string
  readonly events: readonly LabelledEvent[]
}

/** The most text that is read: a label has a few kilobytes. */
const ceiling = 1024 * 1024

/** The text of the label, as compute-pcrs prints it: two spaces, a newline at the end. */
export function formatPcrLabel(pcrs: readonly LabelledPcr[]): string {
  return text({ pcrs: pcrs.map(ordered) })
}

/** One PCR alone, as compute-pcrs prints it when asked for one. */
export function formatLabelledPcr(pcr: LabelledPcr): string {
  return text(ordered(pcr))
}

function text(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function ordered({ id, value, events }: LabelledPcr): LabelledPcr {
  return {
    id,
    value,
    events: events.map(event => ({ name: event.name, pcr: event.pcr, hash: event.hash, id: event.id })),
  }
}

/**
 * The PCRs of a label. As strict as the operator's reader (every field needed, extra keys ignored, an unknown id refused), and
 * stricter where that reader takes what cannot be right: digests of another length, an event in another PCR than its own, an id
 * or a PCR twice. Throws PCR_LABEL_INVALID.
 */
export function parsePcrLabel(label: string, source: string): LabelledPcr[] {
  const at = { source, path: '' }
  const pcrs = list(field(parse(label, at), 'pcrs', at)).map(({ value, path }) => parsePcr(value, { source, path }))
  refuseTwice(
    pcrs.map(({ id }) => `${id}`),
    { source, path: 'pcrs' },
  )
  refuseTwice(
    pcrs.flatMap(({ events }) => events.map(({ id }) => id)),
    { source, path: 'pcrs' },
  )
  return pcrs
}

/**
 * A label of our own, read back: besides what `parsePcrLabel` wants, PCRs and events in order, lower-case digests, values that follow from
 * the events, and nothing else in the text. Throws PCR_LABEL_INVALID.
 */
export function parseOwnPcrLabel(label: string, source: string): LabelledPcr[] {
  const pcrs = parsePcrLabel(label, source)
  for (const [index, { id, value, events }] of pcrs.entries()) {
    const at = { source, path: `pcrs[${index}]` }
    const before = pcrs[index - 1]?.id
    if (before !== undefined && before > id) throw invalid(at, `PCR ${id} after ${before}`, 'PCRs in order')
    const places = events.map(event => eventIds.indexOf(event.id))
    const wrong = places.findIndex((place, event) => place < (places[event - 1] ?? -1))
    if (wrong >= 0)
      throw invalid(
        { source, path: `${at.path}.events[${wrong}]` },
        events[wrong]?.id,
        'events in the order of TPMEventID',
      )
    const digests = events.map(({ hash }) => parseHex(hash) ?? new Uint8Array(0))
    const extended = formatHex(extendAll('sha256', new Uint8Array(digestLength.sha256), digests))
    if (value !== extended) throw invalid({ source, path: `${at.path}.value` }, value, `${extended}, by its events`)
  }
  const same = formatPcrLabel(pcrs)
  if (label === same) return pcrs
  const line = same.split('\n').findIndex((wanted, index) => label.split('\n')[index] !== wanted)
  throw invalid(
    { source, path: `line ${line + 1}` },
    label.split('\n')[line],
    same.split('\n')[line]?.trim() ?? 'the end',
  )
}

/** One PCR alone, as `formatLabelledPcr` writes it. Throws PCR_LABEL_INVALID. */
export function parseLabelledPcr(label: string, source: string): LabelledPcr {
  const at = { source, path: '' }
  const pcr = parsePcr(parse(label, at), at)
  refuseTwice(
    pcr.events.map(({ id }) => id),
    { source, path: 'events' },
  )
  return pcr
}

interface Place {
  readonly source: string
  readonly path: string
}

interface Placed extends Place {
  readonly value: unknown
}

function parse(label: string, at: Place): unknown {
  if (label.length > ceiling) throw invalid(at, `${label.length} characters`, `at most ${ceiling}`)
  try {
    return JSON.parse(label)
  } catch (cause) {
    throw invalid(at, label.slice(0, 40), 'JSON', cause)
  }
}

function parsePcr(value: unknown, at: Place): LabelledPcr {
  if (isObject(value) && 'parts' in value && !('events' in value))
    throw new ToolError('PCR_LABEL_INVALID', 'the label has the shape of an old version', {
      found: 'parts',
      wanted: 'events',
      where: at,
      hint: 'the operator no longer reads this shape; write the label again with a newer compute-pcrs or with this tool',
    })
  const id = number(field(value, 'id', at), 23)
  return {
    id,
    value: sha256(field(value, 'value', at)),
    events: list(field(value, 'events', at)).map(event => parseEvent(event, id)),
  }
}

function parseEvent(event: Placed, pcrOfList: number): LabelledEvent {
  const name = field(event.value, 'name', event)
  if (typeof name.value !== 'string') throw invalid(name, name.value, 'text')
  const pcr = field(event.value, 'pcr', event)
  if (number(pcr, 23) !== pcrOfList) throw invalid(pcr, pcr.value, `${pcrOfList}, the PCR that it stands under`)
  const hash = sha256(field(event.value, 'hash', event))
  const id = field(event.value, 'id', event)
  const known = eventIds.find(candidate => candidate === id.value)
  if (known === undefined) throw invalid(id, id.value, 'a TPMEventID of compute-pcrs')
  return { name: name.value, pcr: pcrOfList, hash, id: known }
}

function field(value: unknown, name: string, at: Place): Placed {
  if (!isObject(value)) throw invalid(at, value, 'an object')
  const path = at.path === '' ? name : `${at.path}.${name}`
  if (!Object.hasOwn(value, name)) throw invalid({ ...at, path }, undefined, 'a value')
  return { value: value[name], source: at.source, path }
}

function list({ value, source, path }: Placed): Placed[] {
  if (!Array.isArray(value)) throw invalid({ source, path }, value, 'a list')
  return value.map((item: unknown, index) => ({ value: item, source, path: `${path}[${index}]` }))
}

function number(placed: Placed, most: number): number {
  const { value } = placed
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most)
    throw invalid(placed, value, `a whole number from 0 to ${most}`)
  return value
}

function sha256(placed: Placed): string {
  const { value } = placed
  if (typeof value !== 'string' || parseHex(value)?.length !== 32)
    throw invalid(placed, value, '64 hex digits, a SHA-256 digest')
  return value.toLowerCase()
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuseTwice(names: readonly string[], at: Place): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw invalid(at, `${twice} twice`, 'each once')
}

function invalid({ source, path }: Place, found: unknown, wanted: string, cause?: unknown): ToolError {
  return new ToolError('PCR_LABEL_INVALID', 'the text is no label of PCRs', {
    found:
      found === undefined ? 'nothing' : `${typeof found === 'string' ? found : JSON.stringify(found)}`.slice(0, 200),
    wanted,
    where: path === '' ? { source } : { source, path },
    ...(cause === undefined ? {} : { cause }),
  })
}
