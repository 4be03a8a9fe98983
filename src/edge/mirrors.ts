// Asks one mirror after the other until one gives what is wanted.

import { type ErrorCode, ToolError } from '../errors.ts'
import type { DownloadOptions } from './download.ts'
import type { Log } from './log.ts'

/** Mirrors that are asked before giving up; lists have up to some hundreds. */
export const mirrorsAsked = 20

/** Faults of one mirror, which others need not have. */
const ofOneMirror: readonly ErrorCode[] = [
  'REPOSITORY_UNREACHABLE',
  'REPOSITORY_INVALID',
  'CHECKSUM_MISMATCH',
  'CEILING_REACHED',
  'INSECURE_NOT_ALLOWED',
]

/** Milliseconds; the next mirror is quicker than waiting for this one. */
const mirrorTiming = { stall: 20_000, pauses: [500] }

/** Less patience where another mirror can be asked. */
export function forMirrors<Options extends DownloadOptions>(options: Options, count: number): Options {
  return count < 2 ? options : { ...options, timing: { ...mirrorTiming, ...options.timing } }
}

/** For files whose hash a metalink binds: that they come by plain http needs no leave, and nobody has to be told. */
export function boundOptions<Options extends DownloadOptions>(options: Options): Options {
  return { ...options, allowInsecure: true, noteInsecure: undefined }
}

/**
 * What the first of the mirrors gives that has no fault; the log is told of each one that has. With one mirror its fault is thrown as
 * it is; with several a fault that names all, with the code of the first that was not merely unreachable.
 */
export async function fromMirrors<T>(
  mirrors: readonly string[],
  ask: (mirror: string) => Promise<T>,
  log: Pick<Log, 'warning'> | undefined,
): Promise<T> {
  const faults: ToolError[] = []
  const asked = mirrors.slice(0, mirrorsAsked)
  for (const mirror of asked) {
    try {
      return await ask(mirror)
    } catch (error) {
      if (!(error instanceof ToolError) || !ofOneMirror.includes(error.code)) throw error
      faults.push(error)
      if (faults.length < asked.length) log?.warning(`a mirror is passed over: ${sentence(error)}`)
    }
  }
  const [first] = faults
  if (first === undefined) throw new Error('there was no mirror to ask')
  if (faults.length === 1) throw first
  const worst = faults.find(({ code }) => code !== 'REPOSITORY_UNREACHABLE') ?? first
  throw new ToolError(worst.code, `none of ${faults.length} mirrors of an RPM repository has a file`, {
    found: faults.map(({ found, where }) => `${where.source ?? 'a mirror'}: ${found ?? 'a fault'}`).join('; '),
    ...(worst.wanted === undefined ? {} : { wanted: worst.wanted }),
    where: worst.where,
    cause: new AggregateError(faults),
  })
}

function sentence({ message, found, where }: ToolError): string {
  return `${message}${found === undefined ? '' : `, found ${found}`}${where.source === undefined ? '' : ` (${where.source})`}`
}
