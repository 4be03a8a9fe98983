// What each version of systemd's stub measures, and how it starts the kernel inside (docs/pcrs.md, "systemd-stub").

import { ToolError } from '../../errors.ts'
import type { LoaderInfo } from '../../formats/pe/loader-info.ts'
import type { UkiSectionName } from '../../formats/pe/uki.ts'

export interface StubBuild {
  /** For people: `systemd-stub 257.13-1~deb13u1`. */
  readonly name: string
  /** Sections that it measures into PCR 11 when they are there. */
  readonly measures: ReadonlySet<UkiSectionName>
  /** With Secure Boot off the kernel inside is started through the firmware's LoadImage, which measures it into PCR 4. */
  readonly loadsKernelByFirmware: boolean
  /** How we know. */
  readonly knownBy: 'booted' | 'source'
  /** A version after the newest that was read: it is taken for that one. */
  readonly newer: boolean
}

const from252 = ['.linux', '.osrel', '.cmdline', '.initrd', '.splash', '.dtb', '.pcrpkey'] as const
const from254 = [...from252, '.uname', '.sbat'] as const
const from256 = [...from254, '.ucode'] as const
const from257 = [...from256, '.profile', '.dtbauto', '.hwids'] as const
const from258 = [...from257, '.efifw'] as const

interface Known {
  readonly measures: readonly UkiSectionName[]
  /** Builds that were booted; the others of that version are known by upstream's source. */
  readonly booted?: RegExp
}

/** src/fundamental/tpm-pcr.h (until 254), uki.h (from 255), at the tags of these versions. */
const versions: ReadonlyMap<number, Known> = new Map([
  [252, { measures: from252, booted: /~deb12u/ }],
  [253, { measures: from252 }],
  [254, { measures: from254 }],
  [255, { measures: from254 }],
  [256, { measures: from256 }],
  [257, { measures: from257, booted: /~deb13u/ }],
  [258, { measures: from258 }],
  [259, { measures: from258 }],
  [260, { measures: from258 }],
  [261, { measures: from258 }],
])
/** The newest version that was read. */
export const newestStub = 261
/** From this version on the stub lays the kernel out itself unless shim is there under Secure Boot: src/boot/linux.c. */
const ownLoader = 258

/**
 * RHEL 9 and CentOS Stream 9 keep 252 and took over `.uname` and `.sbat` for 9.4: before it up to release 18, from it on at release 32.
 * Between the two both are possible.
 */
const enterpriseLinux9 = /^252(?:\.[0-9]+)?-([0-9]+)[^-]*\.el9/
const [lastWithout, firstWith] = [18, 32]

/**
 * What the stub may be: one build, or two where the version leaves a doubt. Throws STUB_UNKNOWN for another stub than systemd's and for
 * versions before 252.
 */
export function knownStubBuilds(stub: LoaderInfo | undefined, source: string): readonly [StubBuild, ...StubBuild[]] {
  if (stub === undefined)
    throw new ToolError('STUB_UNKNOWN', 'the stub of a unified kernel image is not known', {
      found: 'no .sdmagic section of systemd-stub',
      wanted: 'systemd-stub 252 or newer',
      where: { source },
    })
  const newer = stub.major > newestStub
  const known = versions.get(newer ? newestStub : stub.major)
  if (known === undefined)
    throw new ToolError('STUB_UNKNOWN', 'the stub of a unified kernel image is not known', {
      found: `systemd-stub ${stub.text}`,
      wanted: 'systemd-stub 252 or newer',
      where: { source },
    })
  const build = (measures: readonly UkiSectionName[]): StubBuild => ({
    name: `systemd-stub ${stub.text}`,
    measures: new Set(measures),
    loadsKernelByFirmware: stub.major < ownLoader,
    knownBy: known.booted?.test(stub.text) === true ? 'booted' : 'source',
    newer,
  })
  const release = enterpriseLinux9.exec(stub.text)?.[1]
  if (release === undefined) return [build(known.measures)]
  if (Number(release) <= lastWithout) return [build(from252)]
  if (Number(release) >= firstWith) return [build(from254)]
  return [build(from254), build(from252)]
}
