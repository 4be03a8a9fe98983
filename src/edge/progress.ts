// How far reading, downloads and pushes are: one redrawn line on a terminal, one line per finished item in a log.

export interface Progress {
  /** Begins one item. `total`: its bytes, undefined when nobody knows. The label is text of any origin. */
  start(label: string, total: number | undefined): ProgressItem
  /** Items of one kind whose number and bytes are known before: they are told together, as `layer 3 of 52`. */
  plan(noun: string, sizes: readonly number[]): ProgressPlan
}

export interface ProgressPlan {
  start(label: string, total: number | undefined): ProgressItem
  /** Nothing more comes, also when not all items were begun. */
  end(): void
}

export interface ProgressItem {
  /** Cheap enough for every piece: it counts and does nothing else. */
  add(bytes: number): void
  /** `how`: what a log says in place of bytes and time, such as `from the cache`. A second call does nothing. */
  end(how?: string): void
}

const noItem: ProgressItem = { add: () => undefined, end: () => undefined }

/** Tells nothing. */
export const noProgress: Progress = { start: () => noItem, plan: () => ({ start: () => noItem, end: () => undefined }) }

/** Passes the bytes on as one item, from the first that is asked for to the last. */
export async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  progress: Pick<Progress, 'start'>,
  label: string,
  total: number | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const item = progress.start(label, total)
  let how: string | undefined = 'not read to its end'
  try {
    for await (const chunk of bytes) {
      item.add(chunk.length)
      yield chunk
    }
    how = undefined
  } finally {
    item.end(how)
  }
}

/** One line for each item that ends. */
export function progressInLog(line: (text: string) => void, now: () => number = () => performance.now()): Progress {
  const item = (name: string, label: string): ProgressItem => {
    const begun = now()
    let received = 0
    let ended = false
    return {
      add(bytes) {
        received += bytes
      },
      end(how) {
        if (ended) return
        ended = true
        line(`${name}${printable(label)}: ${how ?? `${sizeText(received)} in ${timeText(now() - begun)}`}`)
      },
    }
  }
  return {
    start: label => item('', label),
    plan(noun, sizes) {
      let begun = 0
      return {
        start(label) {
          begun += 1
          return item(`${noun} ${begun} of ${sizes.length}, `, label)
        },
        end: () => undefined,
      }
    },
  }
}

/** A terminal that one line can be drawn on. */
export interface Screen {
  write(text: string): void
  /** Characters in a line. */
  width(): number
}

/** `clear` takes the line away before something else is written; it comes back by itself. */
export interface DrawnProgress extends Progress {
  clear(): void
}

/** Items that are told in one line. */
interface Group {
  readonly label: string
  readonly items: number | undefined
  total: number | undefined
  ended: number
  received: number
  /** Time and bytes, the newest last: for the rate of the last seconds. */
  readonly samples: { readonly at: number; readonly received: number }[]
}

const drawEveryMs = 100
const rateOverMs = 3000

/** Draws at most ten times a second, from a timer that keeps no process alive. */
export function progressOnScreen(screen: Screen, now: () => number = () => performance.now()): DrawnProgress {
  const groups = new Set<Group>()
  let timer: NodeJS.Timeout | undefined
  let drawn = false
  const clear = () => {
    if (drawn) screen.write('\r\x1b[K')
    drawn = false
  }
  const draw = () => {
    const [group] = groups
    if (group === undefined) return
    // the last column stays free: a full line makes some terminals begin the next one
    screen.write(`\r${lineOf(group, now()).slice(0, Math.max(0, screen.width() - 1))}\x1b[K`)
    drawn = true
  }
  const open = (label: string, total: number | undefined, items?: number): Group => {
    const samples = [{ at: now(), received: 0 }]
    const group = { label: printable(label), items, total, ended: 0, received: 0, samples }
    groups.add(group)
    timer ??= setInterval(draw, drawEveryMs).unref()
    return group
  }
  const close = (group: Group) => {
    groups.delete(group)
    if (groups.size > 0) return
    clearInterval(timer)
    timer = undefined
    clear()
  }
  const item = (group: Group, size: number | undefined, ended: () => void): ProgressItem => {
    let received = 0
    let over = false
    return {
      add(bytes) {
        received += bytes
        group.received += bytes
      },
      end() {
        if (over) return
        over = true
        group.ended += 1
        // what did not have to be read is not to be waited for
        if (group.total !== undefined && size !== undefined) group.total -= Math.max(0, size - received)
        ended()
      },
    }
  }
  return {
    clear,
    start(label, total) {
      const group = open(label, total)
      return item(group, total, () => close(group))
    },
    plan(noun, sizes) {
      const group = open(
        `${noun}s`,
        sizes.reduce((sum, size) => sum + size, 0),
        sizes.length,
      )
      return { start: (_, total) => item(group, total, () => undefined), end: () => close(group) }
    },
  }
}

/** As `layers 12 of 52, 340 MB of 1255 MB, 95 MB/s, 10 s left`. */
function lineOf(group: Group, at: number): string {
  const { label, items, total, ended, received, samples } = group
  samples.push({ at, received })
  while (samples.length > 2 && at - (samples[0]?.at ?? at) > rateOverMs) samples.shift()
  const [oldest = { at, received }] = samples
  const perMs = at > oldest.at ? (received - oldest.received) / (at - oldest.at) : 0
  const left = total === undefined ? undefined : total - received
  return [
    items === undefined ? label : `${label} ${ended} of ${items}`,
    total === undefined ? sizeText(received) : `${sizeText(received)} of ${sizeText(total)}`,
    `${sizeText(perMs * 1000)}/s`,
    ...(left === undefined || left <= 0 || perMs <= 0 ? [] : [`${timeText(left / perMs)} left`]),
  ].join(', ')
}

/** Without control characters, in one line. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')

/** Decimal units, as downloads are told: `512 B`, `8.2 kB`, `340 MB`, `1255 MB`. */
function sizeText(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`
  const [unit, size] = bytes < 1_000_000 ? ['kB', bytes / 1000] : ['MB', bytes / 1_000_000]
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${unit}`
}

function timeText(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  return `${Math.round(seconds / 60)} min`
}
