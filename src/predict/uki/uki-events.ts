// The events of PCR 11 for a unified kernel image: docs/pcrs.md; systemd, src/boot/stub.c (measure_sections), src/pcrextend.

import { ToolError } from '../../errors.ts'
import { type Digests, digestInBanks, formatDigests } from '../../formats/bytes/digest.ts'
import type { Uki, UkiSection } from '../../formats/pe/uki.ts'
import type { MeasuredEvent } from '../prediction.ts'
import { bootPhases, confirmedByPolicies } from './pcr-policies.ts'
import { knownStubBuilds, newestStub, type StubBuild } from './stub.ts'

export interface UkiConditions {
  /** enter-initrd: with the word that the initrd's systemd extends before anything asks for a quote. */
  readonly phase: 'enter-initrd' | 'none'
  /** Which profile is started; 0 when left out, as when nobody chooses. */
  readonly profile?: number
}

export interface UkiEvents {
  /** In log order. */
  readonly events: readonly MeasuredEvent[]
  readonly notes: readonly string[]
  readonly build: StubBuild
}

/** What a stub chooses by the machine it runs on. */
const chosenByMachine: readonly string[] = ['.dtbauto', '.efifw']

/**
 * PCR 11 of a UKI: each section's name with NUL, then its bytes; then the phase. Throws STUB_UNKNOWN for stubs that are not known, and
 * UKI_NOT_PREDICTED when the values differ between machines or `.pcrsig` says otherwise.
 */
export function ukiEvents(uki: Uki, path: string, { phase, profile = 0 }: UkiConditions): UkiEvents {
  if (profile !== 0 && profile >= uki.profiles)
    throw new ToolError('UKI_NOT_PREDICTED', 'the unified kernel image has no such profile', {
      found: `profile ${profile}`,
      wanted: `below ${Math.max(1, uki.profiles)}`,
      where: { source: path },
    })
  const sections = uki.sections(profile)
  const { build, measured, notes } = settle(uki, path, sections)
  const events = [
    ...measured.flatMap(section => sectionEvents(section, path, build)),
    ...(phase === 'enter-initrd' ? [enterInitrd(path)] : []),
  ]
  return { events, notes: [...notes, ...notesOf(uki, build, path)], build }
}

interface Settled {
  readonly build: StubBuild
  readonly measured: readonly UkiSection[]
  readonly notes: readonly string[]
}

/** The stub's build, where its version leaves two by what was signed, and what it measures. */
function settle(uki: Uki, path: string, sections: readonly UkiSection[]): Settled {
  const builds = knownStubBuilds(uki.stub, path)
  const signature = sections.find(section => section.name === '.pcrsig')
  const candidates = builds.map(build => {
    const measured = sections.filter(({ name }) => build.measures.has(name))
    return {
      build,
      measured,
      confirmed: signature && confirmedByPolicies(measured.flatMap(wordsOf), signature.data, path),
    }
  })
  const [first, second] = candidates
  if (first === undefined) throw new Error('no build of the stub')
  const chosen = candidates.find(({ confirmed }) => confirmed === true)
  const same = second === undefined || second.measured.length === first.measured.length
  if (chosen === undefined && !same)
    throw new ToolError(
      'STUB_UNKNOWN',
      'it is not known whether this stub measures all sections of the unified kernel image',
      {
        found: `${first.build.name} with ${differing(first.measured, second.measured)}`,
        wanted:
          signature === undefined ? 'a section .pcrsig that tells, or another version' : 'policies in .pcrsig that fit',
        where: { source: path },
      },
    )
  const settled = chosen ?? first
  refuseUnpredictable(uki, settled.build, settled.measured, path)
  if (settled.confirmed === false && settled.build.knownBy !== 'booted')
    throw new ToolError('UKI_NOT_PREDICTED', 'the policies in .pcrsig belong to other values of PCR 11', {
      found: `no policy for what ${settled.build.name} measures by its source`,
      wanted: 'one policy of a known boot phase',
      where: { source: path },
      hint: 'sign the policies again after the last change of the file',
    })
  const agrees = `PCR 11 agrees with the policies that ${path} carries in .pcrsig`
  const differs = `the policies that ${path} carries in .pcrsig belong to other values of PCR 11: what they seal will not open`
  const notes = settled.confirmed === undefined ? [] : [settled.confirmed ? agrees : differs]
  return { build: settled.build, measured: settled.measured, notes }
}

function differing(more: readonly UkiSection[], fewer: readonly UkiSection[]): string {
  return more
    .filter(section => !fewer.includes(section))
    .map(section => section.name)
    .join(', ')
}

function refuseUnpredictable(uki: Uki, build: StubBuild, measured: readonly UkiSection[], path: string): void {
  const refuse = (message: string, found: readonly string[]) =>
    new ToolError('UKI_NOT_PREDICTED', message, {
      found: found.join(', '),
      wanted: 'none of these sections',
      where: { source: path },
    })
  const chosen = measured.filter(({ name }) => chosenByMachine.includes(name)).map(({ name }) => name)
  if (chosen.length > 0) throw refuse('the stub chooses sections of the unified kernel image by the machine', chosen)
  if (build.newer && uki.unknownSections.length > 0)
    throw refuse(
      `${build.name} is newer than what is known, and the file has sections that are not known`,
      uki.unknownSections,
    )
}

function wordsOf({ name, digests }: UkiSection): Digests[] {
  return [digestInBanks(nameBytes(name)), digests()]
}

const nameBytes = (name: string) => new Uint8Array(Buffer.from(`${name}\0`, 'latin1'))

function sectionEvents(section: UkiSection, path: string, { name: stub }: StubBuild): MeasuredEvent[] {
  const [name, content] = wordsOf(section)
  const word = section.name.slice(1)
  const part = `Pcr11${word.charAt(0).toUpperCase()}${word.slice(1)}`
  const ipl = (id: string, digests: Digests | undefined, because: string): MeasuredEvent => ({
    pcr: 11,
    type: 'EV_IPL',
    digests: formatDigests(digests ?? digestInBanks()),
    part: id,
    because,
  })
  return [
    ipl(part, name, `name of the section ${section.name} of ${path}, measured by ${stub}`),
    ipl(`${part}Content`, content, `section ${section.name} of ${path}: ${section.data.length} bytes in memory`),
  ]
}

/** Extended by systemd in the initrd, so in no log of the firmware; systemd logs it itself in /run/log/systemd/tpm2-measure.log, without TCG type. */
function enterInitrd(path: string): MeasuredEvent {
  return {
    pcr: 11,
    type: 'EV_IPL',
    digests: formatDigests(digestInBanks(new Uint8Array(Buffer.from(bootPhases[0], 'latin1')))),
    part: 'Pcr11EnterInitrd',
    because: `boot phase enter-initrd, extended by systemd-pcrphase in the initrd of ${path}; not in the firmware’s log`,
  }
}

function notesOf(uki: Uki, build: StubBuild, path: string): string[] {
  return [
    ...(build.newer ? [`${build.name} is newer than ${newestStub}, the newest that we know`] : []),
    ...(build.knownBy === 'source'
      ? [`which sections ${build.name} measures is known from systemd’s source, not from a boot of ours`]
      : []),
    ...(uki.profiles > 1
      ? [`PCR 11 holds for the default profile of ${path}; the other ${uki.profiles - 1} give other values`]
      : []),
  ]
}
