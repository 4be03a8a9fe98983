// The text of the pull request, from records and change alone. What a reviewer must know in two minutes, and what nobody checked.

import { formatPinnedReference, parsePinnedReference } from '../formats/oci/reference.ts'
import type { Settings } from '../settings/settings.ts'
import { advisoriesSection } from './advisories.ts'
import { checksSection, mergeSection, notDoneSection, type RunFacts } from './caveats.ts'
import { changeKeyLine, formatCommitMessage } from './commit-message.ts'
import type { PcrComparison } from './comparison.ts'
import { type Summary, summarise, title } from './headline.ts'
import { kernelChangesSection } from './kernel-changes.ts'
import { bullets, cell, code, joinSections, pools, type Section, shorten, table } from './markdown.ts'
import { packageLabel } from './record.ts'
import type { ImageRecord } from './record-schema.ts'
import type { RepositoryChange } from './repository-change.ts'

export interface PullRequestText {
  readonly title: string
  readonly body: string
  readonly commitMessage: string
  /** A value that no machine confirmed is not for merging in passing. */
  readonly draft: boolean
}

/** Title, body, commit message and draft state. */
export function pullRequestText(
  settings: Settings,
  change: RepositoryChange,
  record: ImageRecord,
  run: RunFacts,
): PullRequestText {
  const summary = summarise(settings, change, record)
  const subject = title(summary, settings.pools)
  const sections: Section[] = [
    { title: 'What changes', text: whatChanges(settings, change, record, summary, run), kept: true },
    { title: 'PCR values', text: values(summary, record), kept: false },
    { title: 'Coverage', text: coverage(settings, record), kept: true },
    ...(run.kernelChanges === undefined
      ? []
      : [{ title: 'New in the kernel', text: kernelChangesSection(run.kernelChanges), kept: false }]),
    ...(run.advisories === undefined || run.advisories.length === 0
      ? []
      : [{ title: 'Advisories', text: advisoriesSection(run.advisories), kept: false }]),
    { title: 'Packages', text: packages(record), kept: false },
    { title: 'Check it yourself', text: checksSection(record, run), kept: true },
    { title: 'When this is merged', text: mergeSection(settings, change, run), kept: true },
    { title: 'Not checked or not done', text: notDoneSection(settings, change, record, summary, run), kept: true },
  ]
  const instead = `Left out: the text would be too long. All of it stands in ${code(change.recordPath)}.`
  const body = joinSections(headline(summary), sections, instead)
  return {
    title: shorten(subject, 250),
    body,
    commitMessage: formatCommitMessage(shorten(subject, 250), `Image: ${record.image}`, run.changeKey),
    draft: summary.uncalibrated,
  }
}

/** Trustee's stock policy for TPMs has no other PCR. */
const policyCondition =
  'Trustee attests PCR 4 and 14 only if its policy compares `tpm_pcr4` and `tpm_pcr14`: **its stock policy reads `tpm_pcr11` only.**'

function headline(summary: Summary): string {
  const kernelPcrs = summary.kernelPcrs.join(', ')
  const attested =
    kernelPcrs === ''
      ? '**The kernel is not attested: no checked PCR depends on it.**'
      : summary.policyUnknown
        ? `The kernel is measured into PCR ${kernelPcrs}. ${policyCondition}`
        : `The kernel is attested by PCR ${kernelPcrs}.`
  const changed =
    summary.previous.length === 0
      ? 'These are the first values for this directory.'
      : summary.changedPcrs.length === 0
        ? 'No PCR value changes.'
        : `PCR ${summary.changedPcrs.join(' and ')} ${summary.changedPcrs.length === 1 ? 'gets' : 'get'} new values.`
  return [
    `${changed} ${attested}`,
    ...(summary.secureBootAssumed ? ['Secure Boot assumed on.'] : []),
    ...(summary.uncalibrated
      ? [
          '**Uncalibrated**: no log of a real node confirms that these predictions fit your machines. That is why this is proposed as a draft where the repository allows drafts.',
        ]
      : []),
  ].join('\n\n')
}

function whatChanges(
  settings: Settings,
  change: RepositoryChange,
  record: ImageRecord,
  summary: Summary,
  run: RunFacts,
): string {
  const base = record.base
  const kernels = summary.kernelsFrom.slice(0, 10).map(kernel => code(kernel))
  const same = summary.kernelsFrom.length === 1 && summary.kernelsFrom[0] === summary.kernelTo
  const from = kernels.length === 0 || same ? '' : `${kernels.join(', ')} → `
  return bullets([
    `Kernel: ${from}${code(summary.kernelTo)}${same ? ', as before' : ''}`,
    `Image: ${code(formatPinnedReference(parsePinnedReference(record.image)), 500)}`,
    ...(base === null
      ? []
      : [`Base image: ${code(base.image, 500)}${base.tag === null ? '' : `, found as tag ${code(base.tag)}`}`]),
    ...change.machineConfigs.slice(0, 20).map(one => {
      const before = one.from === undefined ? 'new file' : `until now ${code(one.from, 300)}`
      return `Pool ${code(one.pool)}: MachineConfig ${code(one.name)} in ${code(one.path)}, ${before}`
    }),
    `Reference values for: ${settings.target.map(target => code(target)).join(', ')}, namespace ${code(settings.namespace)}`,
    ...run.size.map(sentence => `Size: ${sentence}`),
    ...(record.kind === 'base'
      ? ['Nothing is put on the base image: its own kernel is not older than the newest one of the repositories.']
      : []),
    ...(record.build === null
      ? record.kind === 'layered'
        ? ['Not built by this tool: the image was given with the setting `image`, and checked as a build of ours is.']
        : []
      : [
          `Built with ${code(record.build.builder)}, isolation ${code(record.build.isolation ?? 'unknown')}, network ${code(record.build.network ?? 'unknown')}${record.build.runUrl === null ? '' : `, run ${code(record.build.runUrl, 300)}`}`,
        ]),
    changeKeyLine(code(change.recordPath), run.changeKey),
  ])
}

function values(summary: Summary, record: ImageRecord): string {
  if (summary.previous.length === 0) {
    const rows = record.predictions.flatMap(({ platform, secureBoot, pcrs }) =>
      Object.entries(pcrs).map(([pcr, { sha256 }]) => [where({ platform, secureBoot }), pcr, cell(sha256)]),
    )
    return table(['platform', 'PCR', 'sha256'], rows)
  }
  const unknown =
    summary.unknownPools.length === 0
      ? []
      : [
          `What the nodes of ${pools(summary.unknownPools)} run now is not known here: no MachineConfig names an image that has a record. For them the comparison is with the base image.`,
        ]
  const compared = summary.comparisons.slice(0, 20).map((comparison, index) => {
    const old = summary.previous[index]
    const rows = comparison.map(one => [
      where(one),
      String(one.pcr),
      one.from === undefined ? 'none' : cell(one.from),
      one.to === undefined ? 'none' : one.to === one.from ? 'the same' : cell(one.to),
    ])
    const beside = `Compared with ${code(old?.image ?? '', 500)}:`
    return [beside, table(['platform', 'PCR', 'before', 'new'], rows), causes(comparison)].join('\n\n')
  })
  return [...unknown, ...compared].join('\n\n')
}

function causes(comparison: readonly PcrComparison[]): string {
  const items = comparison.flatMap(({ pcr, causes }) =>
    causes.map(({ part, because, from, to }) => {
      const digests = `${from === undefined ? 'new' : short(from)} → ${to === undefined ? 'gone' : short(to)}`
      return `PCR ${pcr}, ${code(part)}: ${code(because, 300)} (${digests})`
    }),
  )
  return items.length === 0 ? 'No measured file differs.' : `Caused by:\n\n${bullets([...new Set(items)])}`
}

const short = (hex: string) => code(`${hex.slice(0, 16)}…`)

function where({ platform, secureBoot }: { readonly platform: string | null; readonly secureBoot: boolean }): string {
  return `${platform === null ? 'any' : cell(platform)}, Secure Boot ${secureBoot ? 'on' : 'off'}`
}

const parts = ['shim', 'boot-loader', 'kernel', 'initramfs', 'command-line', 'root-file-system'] as const

function coverage(settings: Settings, record: ImageRecord): string {
  const rows = record.predictions.slice(0, 5).flatMap(prediction =>
    parts.map(part => {
      const { pcr, because } = prediction.coverage[part]
      const text =
        pcr === null ? `**not attested**${because === undefined ? '' : `: ${cell(because, 300)}`}` : `PCR ${pcr}`
      return [where(prediction), part, text]
    }),
  )
  const more = record.predictions.length > 5 ? `\n\n${record.predictions.length - 5} more are in the record.` : ''
  const condition = settings.target.includes('trustee') ? `${policyCondition}\n\n` : ''
  return `${condition}${table(['platform', 'part of the boot', 'attested by'], rows)}${more}`
}

function packages(record: ImageRecord): string {
  const rows = [...record.kernel.packages, ...record.extraPackages].map(one => {
    const [name, hex] = Object.entries({ sha256: one.sha256, sha384: one.sha384, sha512: one.sha512 }).find(
      ([, value]) => value !== undefined,
    ) ?? ['checksum', '']
    const signer = one.signer === null ? '**nobody**' : cell(one.signer)
    return [cell(packageLabel(one)), signer, `${name} ${cell(hex ?? '')}`, cell(one.location, 400)]
  })
  return rows.length === 0 ? 'None.' : table(['package', 'signed by', 'checksum', 'from'], rows)
}
