// Runs one program of the container tools: argument vector, cleaned environment, live output.

import { exec } from '@actions/exec'
import { refuseWhenInterrupted } from '../interruption.ts'

export interface CommandResult {
  /** Not 0 when the program failed or was killed. */
  readonly exitCode: number
  /** Standard output, at most `outputLimit` characters of its end. */
  readonly output: string
  /** The last lines of both streams together. */
  readonly lastLines: readonly string[]
}

/** Receives what a program prints, as it comes. Whoever prints it in a workflow's log must keep it from being read as workflow commands. */
export type OutputWriter = (chunk: Buffer) => void

export interface CommandOptions {
  readonly environment: Readonly<Record<string, string>>
  readonly write?: OutputWriter | undefined
  /** Runs also when the run is cancelled: it removes what others left. */
  readonly cleaning?: true
}

const outputLimit = 65_536
const lineLimit = 20

/**
 * Names that a container tool may see. Tokens of the workflow are in none of them.
 * SSL_CERT_* and the proxies say how to reach the registry; the rest says where tools and credentials are.
 */
const passedOn =
  /^(?:PATH|HOME|USER|XDG_RUNTIME_DIR|XDG_CONFIG_HOME|TMPDIR|LANG|REGISTRY_AUTH_FILE|DOCKER_CONFIG|CONTAINERS_[A-Z_]+|SSL_CERT_(?:FILE|DIR)|(?:HTTP|HTTPS|NO|ALL)_PROXY|(?:http|https|no|all)_proxy)$/

/** The part of an environment that container tools get. */
export function cleanEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value !== undefined && passedOn.test(name) ? [[name, value]] : [],
    ),
  )
}

/** The same environment without proxies, for steps that must not reach out. */
export function withoutProxies(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/_proxy$/i.test(name)))
}

/**
 * Runs `[program, ...arguments]`; a program that is not there is undefined, every other end is a result. Throws INTERRUPTED when the run is
 * cancelled before or while it runs.
 */
export async function runCommand(
  command: readonly string[],
  options: CommandOptions,
): Promise<CommandResult | undefined> {
  if (options.cleaning !== true) refuseWhenInterrupted()
  const result = await runToEnd(command, options)
  if (options.cleaning !== true) refuseWhenInterrupted()
  return result
}

async function runToEnd(command: readonly string[], options: CommandOptions): Promise<CommandResult | undefined> {
  const [program = '', ...rest] = command
  let output = ''
  let both = ''
  const keep = (text: string, chunk: Buffer): string => (text + chunk.toString('utf8')).slice(-outputLimit)
  const listen = (chunk: Buffer): void => {
    both = keep(both, chunk)
    options.write?.(chunk)
  }
  try {
    const exitCode: number | null = await exec(program, rest, {
      env: { ...options.environment },
      silent: true,
      ignoreReturnCode: true,
      listeners: {
        stdout: chunk => {
          output = keep(output, chunk)
          listen(chunk)
        },
        stderr: listen,
      },
    })
    return { exitCode: exitCode ?? 1, output, lastLines: both.trimEnd().split('\n').slice(-lineLimit) }
  } catch {
    return undefined
  }
}
