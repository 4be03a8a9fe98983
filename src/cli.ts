#!/usr/bin/env node
// Entry of the CLI. Everything else is loaded after the check of the Node.js version.

import { tooOld } from './edge/node-version.ts'

const fault = tooOld(process.versions.node)
if (fault === undefined) {
  const { endInOrderOnSignals, interruptedExitCode } = await import('./edge/interruption.ts')
  endInOrderOnSignals()
  const { runCommandLine } = await import('./commands/from-command-line.ts')
  const exitCode = await runCommandLine({
    words: process.argv.slice(2),
    environment: process.env,
    directory: process.cwd(),
    version: process.env.ATTESTED_OS_UPDATE_VERSION ?? 'development',
    stdout: text => process.stdout.write(text),
    stderr: text => process.stderr.write(text),
    width: process.stderr.isTTY && process.env.TERM !== 'dumb' ? () => process.stderr.columns : undefined,
  })
  process.exitCode = interruptedExitCode() ?? exitCode
} else {
  process.stderr.write(`NODE_TOO_OLD: ${fault}\n`)
  process.exitCode = 2
}
