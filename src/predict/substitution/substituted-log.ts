// A recorded log of a platform with the events that our files cause replaced by predicted ones: the list that
// `predict --substitute` folds into PCR or RTMR values (interface §2).

import { ToolError } from '../../errors.ts'
import type { Bank } from '../../formats/bytes/digest.ts'
import { formatDigests } from '../../formats/bytes/digest.ts'
import type { EventLog, LoggedEvent } from '../../formats/tcg/event-log.ts'
import { noAction } from '../../formats/tcg/event-type.ts'
import { digestsFromData } from '../../formats/tcg/recomputed-digests.ts'
import type { BootFile } from '../../image/boot-file.ts'
import type { Platform } from '../platform/platform.ts'
import type { MeasuredEvent, Prediction } from '../prediction.ts'
import { type BootInputs, grubInputs, type HexSet, hexDigests, sameDigests, stubInputs } from './boot-inputs.ts'
import { type Cause, causeOf, earlierBoot, isApplication, isAuthority, startOfBootFiles } from './logged-cause.ts'

export interface ToSubstitute {
  /** Recorded on the platform; it need not be of this image. */
  readonly log: EventLog
  readonly prediction: Pick<Prediction, 'secureBoot' | 'bootChain' | 'events'>
  /** Boot files of the image, for what GRUB reads. */
  readonly files: readonly BootFile[]
  /** Profile that the prediction was made with; undefined for none. */
  readonly platform?: Pick<Platform, 'name' | 'keys'> | undefined
}

/** An event of the list. `logged` is the record that it was kept from or that it stands for; undefined for a new one. */
export interface SubstitutedEvent extends Omit<MeasuredEvent, 'digests'> {
  readonly digests: Readonly<Partial<Record<Bank, string>>>
  readonly logged: LoggedEvent | undefined
  /** True for an event that only the log tells. */
  readonly assumed: boolean
}

export interface SubstitutedLog {
  readonly events: readonly SubstitutedEvent[]
  /** PCRs whose events another image changes in a way that cannot be told, and why. */
  readonly blocked: ReadonlyMap<number, string>
  /** Predicted events of which the log has none of their kind. */
  readonly unlike: readonly MeasuredEvent[]
}

const groups = ['boot-file', 'authority', 'mok', 'stub'] as const
type Group = (typeof groups)[number]
const isGroup = (cause: Cause): cause is Group => groups.some(group => group === cause)

/** Secure Boot as the log's firmware measured it; undefined when the log does not say. */
export function secureBootOfLog(log: EventLog): boolean | undefined {
  const event = log.events.find(({ decoded }) => decoded?.kind === 'variable' && decoded.name === 'SecureBoot')
  return event?.data.at(-1) === undefined ? undefined : event.data.at(-1) === 1
}

/** Throws LOG_UNSUITABLE for a log that is damaged, of another Secure Boot state, or at odds with the prediction. */
export function substituteEvents(given: ToSubstitute, tdx: boolean): SubstitutedLog {
  const { log, prediction, files } = given
  checkLog(given)
  const events = log.events.filter(event => event.typeNumber !== noAction)
  const start = startOfBootFiles(events)
  if (start === undefined) throw unsuitable(log, 'no boot file that was loaded from a disk', 'a boot of a system')
  const causes = events.map((_, index) => causeOf(events, index, start, tdx))
  const byCause = (...wanted: readonly Cause[]) =>
    events.filter((_, index) => wanted.some(cause => cause === causes[index]))
  const inputs = inputsOf(prediction, files, byCause)
  const blocked = new Map([
    ...otherLoader(prediction, byCause('boot-file').map(hexDigests)),
    ...inputs.blocked,
    ...blockedPcrs(events, causes, start, prediction, tdx),
  ])

  const waiting = new Set(prediction.events.filter(event => !(tdx && event.part === 'Pcr11EnterInitrd')))
  const kept = new Map<LoggedEvent, SubstitutedEvent>()
  events.forEach((event, index) => {
    const cause = causes[index] ?? 'firmware'
    if (isGroup(cause) || dropped(cause, prediction)) return
    const changed = inputs.changed.get(event.index)
    kept.set(event, changed === undefined ? keep(event, waiting, tdx) : replaced(event, changed, tdx))
  })
  const waitingIn = (group: Group) => [...waiting].filter(event => groupOf(event) === group)
  const misfit = [...waiting].find(event => groupOf(event) === undefined && !blocked.has(event.pcr))
  if (misfit !== undefined)
    throw unsuitable(
      log,
      `no event like ${misfit.part} (${misfit.because})`,
      'a log that agrees with the platform profile',
    )

  const result: SubstitutedEvent[] = []
  const place = (predicted: readonly MeasuredEvent[]) =>
    result.push(...predicted.map(event => ({ ...event, logged: undefined, assumed: false })))
  const logged = new Map(groups.map(group => [group, causes.filter(cause => cause === group).length]))
  const absent = groups.filter(group => logged.get(group) === 0)
  const seen = new Map<Group, number>()
  events.forEach((event, index) => {
    if (index === start && absent.includes('authority')) place(waitingIn('authority'))
    const cause = causes[index] ?? 'firmware'
    if (isGroup(cause)) {
      // One for one, what is too many behind the last: so they stay in order with records that are kept between them.
      const at = seen.get(cause) ?? 0
      seen.set(cause, at + 1)
      place(waitingIn(cause).slice(at, at + 1 === logged.get(cause) ? undefined : at + 1))
    }
    const own = kept.get(event)
    if (own !== undefined) result.push(own)
    if (index === start) for (const group of absent.filter(other => other !== 'authority')) place(waitingIn(group))
  })
  return { events: result, blocked, unlike: absent.flatMap(waitingIn) }
}

/** Records of a loader that this boot chain does not have are left out. */
function dropped(cause: Cause, { bootChain }: ToSubstitute['prediction']): boolean {
  if (cause === 'boot-loader-settings') return !bootChain.includes('systemd-boot')
  return cause === 'grub' && !bootChain.includes('grub')
}

function inputsOf(
  prediction: ToSubstitute['prediction'],
  files: readonly BootFile[],
  byCause: (...wanted: readonly Cause[]) => readonly LoggedEvent[],
): BootInputs {
  const refuse = (because: string, ...pcrs: number[]): BootInputs => ({
    blocked: new Map(pcrs.map(pcr => [pcr, because])),
    changed: new Map(),
  })
  const [grub, tags] = [byCause('grub'), byCause('stub-input')]
  if (prediction.bootChain.includes('grub'))
    return grub.length === 0 ? refuse('the log has no events of GRUB', 8, 9) : grubInputs(grub, tags, files)
  if (!prediction.bootChain.includes('uki') || grub.length > 0 || tags.length === 0)
    return refuse('the log is of a boot by another boot chain', 9)
  const loaded = byCause('boot-file').map(hexDigests)
  const uki = prediction.events.find(({ part }) => part === 'Pcr4Uki')
  const sections = byCause('stub').filter(event => event.type === 'EV_IPL')
  const sameUki = uki !== undefined && loaded.some(digests => sameDigests(digests, uki.digests))
  return stubInputs(sections, tags, prediction, sameUki)
}

/** What a boot loader measures of its settings are its own words: they hold for the very build that the log shows. */
function otherLoader(prediction: ToSubstitute['prediction'], loaded: readonly HexSet[]): [number, string][] {
  const ran = (part: string) => {
    const ours = prediction.events.find(event => event.part === part)
    return ours !== undefined && loaded.some(digests => sameDigests(digests, ours.digests))
  }
  const blocked: [number, string][] = []
  if (prediction.bootChain.includes('grub') && !ran('Pcr4Grub'))
    blocked.push(...[8, 9].map((pcr): [number, string] => [pcr, 'this image has another GRUB than that of the log']))
  if (prediction.bootChain.includes('systemd-boot') && !ran('Pcr4SystemdBoot'))
    blocked.push([5, 'this image has another systemd-boot than that of the log'])
  return blocked
}

function blockedPcrs(
  events: readonly LoggedEvent[],
  causes: readonly Cause[],
  start: number,
  prediction: ToSubstitute['prediction'],
  tdx: boolean,
): [number, string][] {
  const blocked: [number, string][] = []
  const odd = events.some((event, index) => index >= start && event.pcr === 4 && causes[index] === 'firmware')
  if (!tdx && odd) blocked.push([4, 'behind the boot files the log has other events of this PCR'])
  // newer versions of systemd measure SMBIOS tables there
  const late = events.some((event, index) => index >= start && event.pcr === 1 && causes[index] === 'firmware')
  if (late)
    blocked.push([1, 'behind the boot files the log has events of this PCR, which a boot loader may have caused'])
  const earlier = earlierBoot(events)
  const before = 'a boot option before ours started a file from a disk, which may be one of this image'
  if (earlier.length > 0) blocked.push([4, before])
  if (earlier.some(isAuthority)) blocked.push([7, before])
  if (earlier.some(({ type }) => type === 'EV_IPL')) for (const pcr of [5, 8, 9]) blocked.push([pcr, before])
  if (!prediction.events.some(isApplication)) blocked.push([4, 'no boot file of this chain is predicted'])
  if (!prediction.events.some(event => event.pcr === 7)) blocked.push([7, 'needs a platform profile'])
  const settings = causes.includes('boot-loader-settings')
  if (prediction.bootChain.includes('systemd-boot') && !settings)
    blocked.push([5, 'systemd-boot may measure its settings, and the log has no boot by it that shows them'])
  return blocked
}

/** A record as it is; where the prediction has the same event, that one, which is not assumed. */
function keep(event: LoggedEvent, waiting: Set<MeasuredEvent>, tdx: boolean): SubstitutedEvent {
  const digests = hexDigests(event)
  const predicted = [...waiting].find(
    ({ pcr, type, digests: own }) => (tdx || pcr === event.pcr) && type === event.type && sameDigests(own, digests),
  )
  if (predicted !== undefined && (groupOf(predicted) === undefined || isAuthority(predicted))) {
    waiting.delete(predicted)
    return { ...predicted, logged: event, assumed: false }
  }
  const recomputed = digestsFromData(event)
  return {
    pcr: event.pcr,
    type: event.type,
    digests: typeof recomputed === 'object' ? formatDigests(recomputed) : digests,
    part: tdx ? 'RtmrAssumed' : `Pcr${event.pcr}Assumed`,
    because: `assumed to be as in the log, event ${event.index}`,
    logged: event,
    assumed: true,
  }
}

function replaced(
  event: LoggedEvent,
  { digests, because }: { readonly digests: MeasuredEvent['digests']; readonly because: string },
  tdx: boolean,
): SubstitutedEvent {
  const { pcr, type } = event
  const part = tdx ? 'RtmrBootInput' : `Pcr${pcr}BootInput`
  return { pcr, type, digests, part, because, logged: event, assumed: false }
}

/** What takes the place of what; undefined for predicted events that have to be in the log as they are. */
function groupOf(event: MeasuredEvent): Group | undefined {
  if (isApplication(event)) return 'boot-file'
  if (isAuthority(event)) return 'authority'
  if (event.pcr === 14) return 'mok'
  return event.pcr >= 11 && event.pcr <= 13 ? 'stub' : undefined
}

function checkLog({ log, prediction: { secureBoot }, platform }: ToSubstitute): void {
  const [problem] = log.problems
  if (problem !== undefined)
    throw unsuitable(log, problem.message, 'a log without problems', { offset: problem.offset })
  const state = secureBootOfLog(log)
  if (state === undefined || state === secureBoot) return
  const say = (on: boolean) => `Secure Boot ${on ? 'on' : 'off'}`
  const hint =
    state && platform?.keys.PK.length === 0
      ? `profile ${platform.name} has no PK, so Secure Boot is predicted as off; capture it with the keys of the machine`
      : undefined
  throw unsuitable(log, say(state), say(secureBoot), { hint })
}

function unsuitable(
  log: EventLog,
  found: string,
  wanted: string,
  { offset, hint }: { readonly offset?: number; readonly hint?: string | undefined } = {},
): ToolError {
  const where = { source: log.source, ...(offset === undefined ? {} : { offset }) }
  const advice = hint === undefined ? {} : { hint }
  return new ToolError('LOG_UNSUITABLE', 'this log cannot stand for the platform', { found, wanted, where, ...advice })
}
