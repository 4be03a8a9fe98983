// The advisories that a step from one kernel to another brings, for people who decide on it.

import { type Advisory, readUpdateinfo } from '../formats/rpm/updateinfo.ts'
import { compareEvr, type Evr } from '../formats/rpm/version.ts'

/** The range of a change: above `current`, up to and with `chosen`. */
export interface KernelStep {
  readonly current: Evr
  readonly chosen: Evr
  /** RPM architecture. */
  readonly arch: string
}

/** What advisories are searched for: the package that holds the kernel. */
export const advisedNames: ReadonlySet<string> = new Set(['kernel-core', 'kernel'])

/** Whether the advisory is about a kernel within the step. */
export function isWithin({ packages }: Advisory, { current, chosen, arch }: KernelStep): boolean {
  return packages.some(one => one.arch === arch && compareEvr(one.evr, current) > 0 && compareEvr(one.evr, chosen) <= 0)
}

/** The advisories of one updateinfo.xml within the step, each id once, in the order of the file. Throws REPOSITORY_INVALID. */
export async function advisoriesWithin(
  chunks: AsyncIterable<string> | Iterable<string>,
  step: KernelStep,
  source: string,
): Promise<Advisory[]> {
  const found = new Map<string, Advisory>()
  for await (const one of readUpdateinfo(chunks, advisedNames, source))
    if (isWithin(one, step) && !found.has(one.id)) found.set(one.id, one)
  return [...found.values()]
}
