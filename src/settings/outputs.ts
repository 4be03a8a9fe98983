// The outputs of the Action that this version sets (interface §1). All of them are set on failure too, empty where there is nothing to say.

export const outputs = {
  outcome: 'What happened: created, updated, unchanged, closed, rejected, dry-run, or failed.',
  'update-available': 'Whether a newer kernel or base image was found: true or false.',
  image: 'The image, by digest.',
  digest: 'The digest of the image’s manifest.',
  'base-image': 'The base image, by digest.',
  'kernel-version': 'The kernel, as epoch:version-release.arch without an epoch of 0.',
  'change-key': 'The key of all that decided the result.',
  branch: 'Branch of the pull request.',
  commit: 'The commit that was made.',
  'commit-verified': 'Whether GitHub shows the commit as verified: true or false.',
  'pull-request-number': 'Number of the pull request.',
  'pull-request-url': 'Address of the pull request.',
  predictions: 'Path of a JSON file with the predictions.',
  'error-code': 'The code of the first error; see docs/errors.md.',
} as const

export type OutputName = keyof typeof outputs
export const outputNames = Object.keys(outputs) as readonly OutputName[]

/** Every output, those not given empty. */
export function allOutputs(given: Readonly<Partial<Record<OutputName, string>>>): ReadonlyMap<OutputName, string> {
  return new Map(outputNames.map(name => [name, given[name] ?? '']))
}

/** The outputs as `--json` prints them where a command has no document of its own: camelCase, those without a value null. */
export function outputsDocument(
  given: Readonly<Partial<Record<OutputName, string>>>,
  errors: readonly unknown[],
): Readonly<Record<string, unknown>> {
  const named = outputNames.map(name => [
    name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    given[name] === undefined || given[name] === '' ? null : given[name],
  ])
  return { schemaVersion: 1, ...Object.fromEntries(named), errors }
}
