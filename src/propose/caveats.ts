// The end of a pull request's text: how to check it, what merging does, and plainly what was not checked or not done.

import { parsePinnedReference } from '../formats/oci/reference.ts'
import type { Advisory } from '../formats/rpm/updateinfo.ts'
import type { KernelChanges } from '../kernel/changelog.ts'
import type { Settings } from '../settings/settings.ts'
import type { Summary } from './headline.ts'
import { bullets, code, fence, pools } from './markdown.ts'
import type { ImageRecord } from './record-schema.ts'
import type { RepositoryChange } from './repository-change.ts'

/** Things of this run that no record holds. */
export interface RunFacts {
  readonly changeKey: string
  /** An older kernel than the base's was asked for and taken. */
  readonly downgraded: boolean
  /** Above the kernel in use, or where nothing is known of that, above the base's; undefined: nothing is. */
  readonly kernelChanges?: KernelChanges | undefined
  /** Of the same step, from the repositories. */
  readonly advisories?: readonly Advisory[]
  /** What the image adds to its base, as a sentence; none where nothing is known of it. */
  readonly size: readonly string[]
  /** http: repositories or registries that were really used. */
  readonly insecureSources: readonly string[]
  /** GitHub holds the checks of pull requests that GITHUB_TOKEN opened until somebody approves them. */
  readonly checksWaitForApproval?: boolean
  /** Approved images that their registries do not have any more. */
  readonly gone?: readonly string[]
  readonly unreadable?: readonly Unreadable[]
}

/** An image that somebody who needs it may not read. */
export interface Unreadable {
  readonly image: string
  /** The operator asks without credentials, nodes with the pull secret of the cluster. */
  readonly by: 'nodes' | 'operator'
}

/** One command that reads the pushed image and prints the same values. */
export function checksSection(record: ImageRecord, run: RunFacts): string {
  const states = [...new Set(record.predictions.map(({ secureBoot }) => (secureBoot ? 'on' : 'off')))].sort()
  const { registry } = parsePinnedReference(record.image)
  const insecure = run.insecureSources.includes(registry) ? ' --allow-insecure true' : ''
  const commands = states.map(
    state => `node dist/cli.js predict --image docker://${record.image} --secure-boot ${state}${insecure}`,
  )
  return `In a checkout of attested-os-update, version ${code(record.tool.version)}, this reads the image from the registry and predicts again. The PCR values must be the ones above:\n\n${fence(commands)}`
}

/** What the controllers do with it, and in which order. */
export function mergeSection(settings: Settings, change: RepositoryChange, run: RunFacts): string {
  return bullets([
    ...(run.checksWaitForApproval
      ? ['Before that: the checks of this pull request wait for approval, because it was opened with `GITHUB_TOKEN`.']
      : []),
    `The Machine Config Operator renders a new configuration for ${pools(settings.pools)}: node after node is drained, gets the image and reboots.`,
    ...(change.followers.length === 0
      ? []
      : [
          `The same happens to ${pools(change.followers)}: custom pools take the image of \`worker\` as long as they have none of their own.`,
        ]),
    '**Values must be live before the first node reboots**: each node that reboots must attest with the new values. There is no gate Job in this version: nothing waits until the values are live. Apply `reference-values/` first, see that they are in effect, then apply the MachineConfig; a paused pool gives you that time.',
    ...(change.valuesExpire === undefined
      ? []
      : [
          'The ConfigMap restarts Trustee; while it restarts no node can attest, unless it has several replicas.',
          `All values for Trustee **expire on ${change.valuesExpire}** (\`value-lifetime\`: ${settings.valueLifetime} days). Nothing renews them in this version, except the next update that is merged: a node that reboots later does not attest.`,
        ]),
    'To go back, change the MachineConfig only. Reverting this whole pull request would take away the values that nodes with the new image need.',
    ...change.kustomizations
      .slice(0, 10)
      .map(path => `${code(path)} was not changed: see that it lists the new files, or they are not applied.`),
  ])
}

/** Everything that a reader might take for done and that was not. */
export function notDoneSection(
  settings: Settings,
  change: RepositoryChange,
  record: ImageRecord,
  summary: Summary,
  run: RunFacts,
): string {
  const { build } = record
  return bullets([
    ...(settings.allowUnsignedPackages ? [unsigned(record)] : []),
    'Rollout in one pull request (`rollout: one-pr`) without a gate: the order of values and image is yours to keep.',
    ...(settings.allowInsecure
      ? [
          `\`allow-insecure: true\`: plain http was allowed${
            run.insecureSources.length === 0
              ? ' and not used'
              : `, and used for ${run.insecureSources
                  .slice(0, 20)
                  .map(one => code(one))
                  .join(', ')}`
          }.`,
        ]
      : []),
    ...(settings.allowDowngrade
      ? [
          `\`allow-downgrade: true\`: ${run.downgraded ? '**the kernel is older than the kernel of the base image**' : 'an older kernel was allowed; this one is not older than the base’s'}.`,
        ]
      : []),
    ...(build?.isolation === 'chroot'
      ? ['The commands of the build ran in a chroot and not in a container (isolation: `chroot`).']
      : []),
    ...(build !== null && build.network !== 'none' && build.network !== 'namespace'
      ? [`The build was not cut off from the network (network: ${code(build.network ?? 'unknown')}).`]
      : []),
    ...(settings.target.includes('trusted-execution-clusters')
      ? [
          record.pcrLabel
            ? 'The label `org.coreos.pcrs` of the image tells the operator the values above, because its own job cannot compute this image: **nobody computes them a second time.** The operator fetches the label without credentials.'
            : 'The image has no label `org.coreos.pcrs`: the operator computes the values for itself. It takes PCR 14 from the MOK variables that it holds for the image’s `<os id>-<version>`; whether they give the PCR 14 above was not compared.',
          ...copies(change),
        ]
      : []),
    ...pulls(run),
    'PCR 7 was not predicted: a policy that checks it needs a value from elsewhere.',
    mixes(summary, record),
    ...(change.skipped.length === 0 ? [] : [skipped(change.skipped)]),
    'Boot images are not known: a new machine first boots its boot image, then this image with the boot loader of its boot image. Those values are not in the set, unless the boot image is one of the recorded images.',
    ...(summary.uncalibrated ? ['No prediction was compared with a log of a real node (uncalibrated).'] : []),
    ...notes(record),
  ])
}

/** What nodes and the operator will not get from a registry. */
function pulls({ gone = [], unreadable = [] }: RunFacts): string[] {
  const by = (who: Unreadable['by']) => unreadable.filter(one => one.by === who).map(one => one.image)
  const lines: readonly (readonly [readonly string[], string])[] = [
    [gone, '**Approved images that can no longer be pulled** (a node that needs one of them cannot go back to it)'],
    [
      by('nodes'),
      '**The pull secret that was given may not read** these images, so nodes with that secret cannot pull them',
    ],
    [
      by('operator'),
      'The operator reads images without credentials, and these cannot be read so; its own job must be able to pull them',
    ],
  ]
  return lines.flatMap(([images, words]) => (images.length === 0 ? [] : [`${words}: ${listed(images)}.`]))
}

function listed(images: readonly string[]): string {
  const shown = images.slice(0, 10).map(image => code(image, 500))
  return `${shown.join(', ')}${images.length > shown.length ? ` and ${images.length - shown.length} more` : ''}`
}

function unsigned({ kernel, extraPackages }: ImageRecord): string {
  const all = [...kernel.packages, ...extraPackages]
  const without = all.filter(({ signer }) => signer === null)
  if (without.length === 0)
    return '`allow-unsigned-packages: true`: packages without a signature were allowed; these all have one by a pinned key.'
  const which =
    without.length === all.length ? 'No package has a' : `${without.length} of ${all.length} packages have no`
  return `${which} signature by a pinned key (\`allow-unsigned-packages: true\`): their checksums come from the repository’s metadata, which nobody signed.`
}

function copies({ records }: RepositoryChange): string[] {
  const copied = records.flatMap(({ record: { kind, base, image } }) =>
    kind === 'base' && base !== null ? [{ base, image }] : [],
  )
  return copied
    .slice(0, 10)
    .map(
      ({ base, image }) =>
        `The operator would not get the values of the base image ${code(base.image, 500)} by itself. They are approved through ${code(image, 500)}: the same layers, with the label as the operator needs it.`,
    )
}

function skipped(paths: readonly string[]): string {
  const shown = paths.slice(0, 10).map(path => code(path))
  const more = paths.length > shown.length ? ` and ${paths.length - shown.length} more` : ''
  return `${paths.length} ${paths.length === 1 ? 'file' : 'files'} below the directory cannot be read as YAML (templates?) and ${paths.length === 1 ? 'was' : 'were'} passed over: ${shown.join(', ')}${more}.`
}

function mixes(summary: Summary, record: ImageRecord): string {
  const what =
    'Mixes were not computed: after the update a node can for a while have the old boot loader on its ESP and the new kernel, or the other way round after a rollback.'
  if (summary.unknownPools.length > 0)
    return `${what} What the nodes of ${pools(summary.unknownPools)} run now is not known here, so neither is their boot loader: **a node with such a mix may not attest.**`
  const same =
    summary.previous.length > 0 &&
    summary.previous.every(old => bootLoadersOf(old) !== '' && bootLoadersOf(old) === bootLoadersOf(record))
  return same
    ? `${what} Shim and GRUB of this image are byte for byte those of the image until now, so here every such mix has a value that is listed.`
    : `${what} Shim and GRUB are not known to be the same as before: **a node with such a mix may not attest.**`
}

function bootLoadersOf(record: ImageRecord): string {
  return record.bootFiles
    .filter(({ role }) => role !== 'kernel' && role !== 'initramfs' && role !== 'os-release')
    .map(({ role, sha256 }) => `${role} ${sha256}`)
    .sort()
    .join()
}

function notes(record: ImageRecord): string[] {
  const found = record.predictions.flatMap(prediction => prediction.notes)
  return [...new Set(found)].slice(0, 20).map(note => code(note, 300))
}
