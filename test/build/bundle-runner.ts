// Runs the bundled Action and CLI from dist/ in a child process, as GitHub's runner and a shell do.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { obeyedCommands } from './workflow-commands.ts'

const root = resolve(import.meta.dirname, '../..')

/** The Node.js 24 of the development dependencies, whatever started the tests. */
export const node24 = join(root, 'node_modules/node/bin/node')

export interface ProgramRun {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface ActionRun extends ProgramRun {
  readonly outputs: Readonly<Record<string, string>>
  readonly summary: string
  /** The `::error …::` lines that the runner would obey. */
  readonly errors: readonly string[]
  /** What the run left in the runner's temporary directory. */
  readonly left: readonly string[]
}

export interface RunOptions {
  readonly directory?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Gets the output while it comes. */
  readonly onOutput?: (text: string) => void
  readonly program?: string
  /** Another copy of `dist/index.js`. */
  readonly entry?: string
  /** Gets the process, to send it signals. */
  readonly onStart?: (child: { kill(signal: NodeJS.Signals): void }) => void
}

/** What a child may see of our own environment: no tokens, no CI variables. */
function cleanEnvironment(): Record<string, string> {
  const kept = ['XDG_CACHE_HOME', 'PATH', 'HOME', 'TMPDIR', 'LANG', 'XDG_RUNTIME_DIR', 'USER', 'LOGNAME']
  return Object.fromEntries(
    kept.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? '']])),
  )
}

function run(args: readonly string[], options: RunOptions, environment: Record<string, string>): Promise<ProgramRun> {
  return new Promise((done, refuse) => {
    const child = spawn(options.program ?? node24, args, {
      cwd: options.directory ?? tmpdir(),
      env: { ...cleanEnvironment(), ...environment, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    options.onStart?.(child)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      options.onOutput?.(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      options.onOutput?.(text)
    })
    child.on('error', refuse)
    child.on('close', status => done({ exitCode: status ?? -1, stdout, stderr }))
  })
}

/** Runs `dist/cli.js` with these arguments. */
export function runCli(args: readonly string[], options: RunOptions = {}): Promise<ProgramRun> {
  return run([join(root, 'dist/cli.js'), ...args], options, {})
}

/** Runs `dist/index.js` as the runner does: inputs as INPUT_*, files for outputs and summary, a workspace. */
export async function runAction(
  inputs: Readonly<Record<string, string>>,
  options: RunOptions = {},
): Promise<ActionRun> {
  const scratch = mkdtempSync(join(tmpdir(), 'attested-os-update-runner-'))
  try {
    const output = join(scratch, 'output')
    const summary = join(scratch, 'summary.md')
    const workspace = options.directory ?? join(scratch, 'workspace')
    mkdirSync(workspace, { recursive: true })
    mkdirSync(join(scratch, 'temp'))
    for (const file of [output, summary]) writeFileSync(file, '')
    const result = await run(
      [options.entry ?? join(root, 'dist/index.js')],
      { ...options, directory: workspace },
      {
        CI: 'true',
        GITHUB_ACTIONS: 'true',
        GITHUB_WORKSPACE: workspace,
        GITHUB_OUTPUT: output,
        GITHUB_STEP_SUMMARY: summary,
        GITHUB_EVENT_NAME: 'workflow_dispatch',
        RUNNER_TEMP: join(scratch, 'temp'),
        ...Object.fromEntries(
          Object.entries(inputs).map(([name, value]) => [`INPUT_${name.replaceAll(' ', '_').toUpperCase()}`, value]),
        ),
      },
    )
    return {
      ...result,
      outputs: parseOutputs(readFileSync(output, 'utf8')),
      summary: readFileSync(summary, 'utf8'),
      errors: obeyedCommands(result.stdout)
        .filter(({ name }) => name === 'error')
        .map(({ line }) => line),
      left: readdirSync(join(scratch, 'temp')),
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The runner's file format: `name=value`, or `name<<DELIMITER`, lines, `DELIMITER`. */
export function parseOutputs(text: string): Record<string, string> {
  const found: Record<string, string> = {}
  const lines = text.split('\n')
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    const block = /^([^=<]+)<<(.+)$/.exec(line)
    const plain = /^([^=]+)=(.*)$/.exec(line)
    if (block?.[1] !== undefined) {
      const end = lines.indexOf(block[2] ?? '', index + 1)
      found[block[1]] = lines.slice(index + 1, end).join('\n')
      index = end
    } else if (plain?.[1] !== undefined) found[plain[1]] = plain[2] ?? ''
  }
  return found
}
