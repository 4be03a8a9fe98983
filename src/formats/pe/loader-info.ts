// The marker that systemd's EFI programs carry in .sdmagic: systemd, src/boot/stub.c, boot.c, addon.c ("#### LoaderInfo: … ####").

import { findSection, type PeFile } from './pe.ts'

export const systemdPrograms = ['systemd-boot', 'systemd-stub', 'systemd-addon'] as const
export type SystemdProgram = (typeof systemdPrograms)[number]

/** A program of systemd and its version, as the vendor built it. */
export interface LoaderInfo {
  readonly program: SystemdProgram
  /** `252.39-1~deb12u2`. */
  readonly text: string
  /** The first number of the version. */
  readonly major: number
}

const longestMarker = 256
const marker = /^#### LoaderInfo: (systemd-[a-z]+) (([0-9]{1,6})\S*) ####$/

/** What the file says it is, or undefined for a file that is no program of systemd. */
export function loaderInfo(pe: PeFile): LoaderInfo | undefined {
  const section = findSection(pe, '.sdmagic')
  if (section === undefined) return undefined
  const bytes = section.data.subarray(0, longestMarker)
  const end = bytes.indexOf(0)
  const [, name, text, number] =
    marker.exec(Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1')) ?? []
  const program = systemdPrograms.find(known => known === name)
  if (program === undefined || text === undefined) return undefined
  return { program, text, major: Number(number) }
}
