// From everything that was given to the request of one command. Precedence: option or input, environment, settings file, default.

import { ToolError, throwAll } from '../errors.ts'
import { type ReadRequest, readCheck, readUpdate } from './command-requests.ts'
import { Credentials } from './credentials.ts'
import { type Given, shown } from './given.ts'
import { commandsOf, inputs, supported, takes } from './inputs.ts'
import { findInput, replayLog } from './options.ts'
import { readBootFiles, readCapture, readExplain, readPredict, readReplay } from './prediction-requests.ts'
import { SettingsReader } from './reader.ts'
import type { CommandRequests } from './settings.ts'
import type { SettingsFile } from './settings-file.ts'
import { nearest } from './suggest.ts'
import { parseBoolean, parseClusterName } from './values.ts'
import { type CommandName, commandWords } from './words.ts'

/** Secrets as they were found; a file's content stands in for the input of the same name. */
export interface Secrets {
  /** Name of the secret → its text, from inputs or `--<name>-file`. */
  readonly given: ReadonlyMap<string, string>
  readonly environment: {
    readonly GITOPS_TOKEN?: string | undefined
    readonly GITHUB_TOKEN?: string | undefined
    readonly KUBECONFIG?: string | undefined
  }
}

/** All that the world told; `problems` are those that were found on the way here. */
export interface Sources {
  readonly command: CommandName
  /** Options or inputs. */
  readonly givens: readonly Given[]
  readonly settingsFile: SettingsFile | undefined
  /** `$GITHUB_REPOSITORY`: the default of gitops-repository, so weaker than the settings file. */
  readonly workflowRepository: string | undefined
  readonly secrets: Secrets
  readonly problems: readonly ToolError[]
}

export interface Parsed<Name extends CommandName = CommandName> {
  readonly command: Name
  readonly request: CommandRequests[Name]
  readonly credentials: Credentials
  /** No progress; of the command line only. */
  readonly quiet: boolean
}

const readers: { readonly [Name in CommandName]: ReadRequest<CommandRequests[Name]> } = {
  update: readUpdate,
  check: readCheck,
  predict: readPredict,
  'boot-files': readBootFiles,
  replay: readReplay,
  explain: readExplain,
  capture: readCapture,
}

/**
 * The request and credentials of one command.
 * Throws one ToolError or all of them as ToolErrors: unknown names, wrong types, what is missing, what is not supported yet.
 */
export function parseSettings<Name extends CommandName>(sources: Sources & { readonly command: Name }): Parsed<Name> {
  const { command, settingsFile } = sources
  const problems = [
    ...sources.problems,
    ...(settingsFile?.problems ?? []),
    ...sources.givens.flatMap(misgiven(command)),
  ]
  const fromFile = [...(settingsFile?.top ?? []), ...[...(settingsFile?.clusters.values() ?? [])].flat()]
  problems.push(...fromFile.flatMap(notSupported(command)))

  const block = clusterBlock(sources, problems)
  const repository = sources.workflowRepository
  const all: Given[] = [...sources.givens, ...(settingsFile?.top ?? []), ...block].filter(given => {
    const input = findInput(given.name)
    return input !== undefined && takes(input, command) && supported(input, command)
  })
  if (repository !== undefined && repository !== '' && !all.some(given => given.name === 'gitops-repository'))
    all.push({
      name: 'gitops-repository',
      origin: 'default',
      texts: [repository],
      items: false,
      where: { source: 'GITHUB_REPOSITORY' },
    })
  const reader = new SettingsReader(all, problems)
  const request = readers[command](reader)
  const quiet = reader.required('quiet', parseBoolean)
  const credentials = credentialsOf(sources.secrets)
  if (command === 'update' && credentials.gitopsToken === undefined && !reader.says('dry-run', 'true'))
    reader.problems.push(new ToolError('TOKEN_MISSING', 'no token for the GitOps repository is given'))
  if (reader.says('base-from', 'cluster')) checkClusterAccess(reader, sources.secrets)
  else if ((command === 'update' || command === 'check') && sources.secrets.given.has('kubeconfig'))
    refuseIdleKubeconfig(reader)
  checkClientCertificate(reader, sources.secrets)
  throwAll(reader.problems)
  return { command, request: request(), credentials, quiet: quiet() }
}

/** A cluster is asked with a kubeconfig or with the service account of the pod. */
function checkClusterAccess(reader: SettingsReader, { given, environment }: Secrets): void {
  const inCluster = reader.says('in-cluster', 'true')
  if (inCluster && given.get('kubeconfig') !== undefined)
    reader.refuse('SETTING_INVALID', 'in-cluster', 'kubeconfig and in-cluster are both given', {
      wanted: 'one of them',
    })
  if (!inCluster && !given.get('kubeconfig') && !environment.KUBECONFIG)
    reader.refuse('SETTING_MISSING', 'base-from', 'base-from: cluster needs the credentials of the cluster', {
      wanted: 'kubeconfig, or in-cluster: true',
      hint: 'set KUBECONFIG, the input kubeconfig, or --kubeconfig-file; docs/permissions.md says which rights they need',
    })
}

/** One in the environment may be for other programs; one that was given is meant for us. */
function refuseIdleKubeconfig(reader: SettingsReader): void {
  reader.refuse('SETTING_INVALID', 'kubeconfig', 'kubeconfig has no effect without base-from: cluster', {
    wanted: 'base-from: cluster',
    hint: 'leave kubeconfig out, or change base-from',
  })
}

function checkClientCertificate(reader: SettingsReader, { given }: Secrets): void {
  const parts = ['kernel-repository-client-certificate', 'kernel-repository-client-key']
  const [half, other] = parts.filter(name => given.has(name))
  if (half !== undefined && other === undefined)
    reader.problems.push(
      new ToolError('SETTING_MISSING', 'certificate and key of a client belong together', {
        found: half,
        wanted: parts.join(' and '),
      }),
    )
}

/** The command that a word names. Throws USAGE, SETTING_NOT_SUPPORTED or SETTING_INVALID. */
export function parseCommandName(word: string | undefined): CommandName {
  const wanted = commandWords.now.join(', ')
  if (word === undefined || word === '') throw new ToolError('USAGE', 'no command is given', { wanted })
  const command = commandWords.now.find(known => known === word)
  if (command !== undefined) return command
  if (commandWords.later.includes(word))
    throw new ToolError('SETTING_NOT_SUPPORTED', `the command ${word} is not supported yet`, { found: word, wanted })
  const suggestion = nearest(word, [...commandWords.now, ...commandWords.later])
  throw new ToolError('SETTING_INVALID', 'no command has this name', {
    found: shown(word),
    wanted,
    where: { source: 'command' },
    ...(suggestion === undefined ? {} : { hint: `did you mean ${suggestion}?` }),
  })
}

/** Faults of an option or input that exists: without effect yet, or not for this command. */
function misgiven(command: CommandName): (given: Given) => readonly ToolError[] {
  return given => {
    const input = findInput(given.name)
    if (input === undefined || input.name === replayLog.name) return []
    if (takes(input, command)) return notSupported(command)(given)
    if (!supported(input)) return notSupported(command)(given)
    return [
      new ToolError('SETTING_INVALID', `${command} does not take ${given.name}`, {
        where: given.where,
        hint: `it belongs to ${commandsOf(input).join(', ')}`,
      }),
    ]
  }
}

/** The fault of a setting without effect in this version: for all commands, or for one that takes it. */
function notSupported(command: CommandName): (given: Given) => readonly ToolError[] {
  return given => {
    const input = findInput(given.name)
    if (input === undefined || (supported(input) && (!takes(input, command) || supported(input, command)))) return []
    const forCommand = supported(input) ? ` for ${command}` : ''
    return [
      new ToolError('SETTING_NOT_SUPPORTED', `${given.name} is not supported yet${forCommand}`, {
        where: given.where,
        hint: 'remove it; settings without effect are refused, never ignored',
      }),
    ]
  }
}

function clusterBlock(sources: Sources, problems: ToolError[]): readonly Given[] {
  const cluster = sources.givens.find(given => given.name === 'cluster')
  if (cluster === undefined || !takes(inputOf('cluster'), sources.command)) return []
  const reader = new SettingsReader([cluster])
  const name = reader.required('cluster', parseClusterName)
  problems.push(...reader.problems)
  if (!name.valid) return []
  const block = sources.settingsFile?.clusters.get(name())
  if (block !== undefined) return block
  const known = [...(sources.settingsFile?.clusters.keys() ?? [])]
  const suggestion = nearest(name(), known)
  problems.push(
    new ToolError('SETTING_INVALID', 'cluster: the settings file has no such block', {
      found: shown(name()),
      wanted: known.length === 0 ? 'a block under clusters in the settings file' : shown(known.join(', ')),
      where: cluster.where,
      ...(suggestion === undefined ? {} : { hint: `did you mean ${suggestion}?` }),
    }),
  )
  return []
}

function inputOf(name: string) {
  const input = inputs.get(name)
  if (input === undefined) throw new Error(`${name} is not in the table of settings`)
  return input
}

/** The token of the GitOps repository: its own, given or in the environment, then the one of the workflow. */
function credentialsOf({ given, environment }: Secrets): Credentials {
  const candidates = [
    given.get('gitops-token'),
    environment.GITOPS_TOKEN,
    given.get('github-token'),
    environment.GITHUB_TOKEN,
  ]
  const first = (tokens: readonly (string | undefined)[]) =>
    tokens.map(token => token?.trim()).find(token => token !== undefined && token !== '')
  return new Credentials({
    gitopsToken: first(candidates),
    jobToken: first([given.get('github-token'), environment.GITHUB_TOKEN]),
    pullSecret: first([given.get('pull-secret')]),
    kubeconfig: first([given.get('kubeconfig'), environment.KUBECONFIG]),
    clientCertificate: first([given.get('kernel-repository-client-certificate')]),
    clientKey: first([given.get('kernel-repository-client-key')]),
  })
}
