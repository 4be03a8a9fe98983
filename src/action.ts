// Entry of the Action. Everything else is loaded after the check of the Node.js version.

import { tooOld } from './edge/node-version.ts'

const fault = tooOld(process.versions.node)
if (fault === undefined) {
  const { endInOrderOnSignals, interruptedExitCode } = await import('./edge/interruption.ts')
  endInOrderOnSignals()
  const { runAction } = await import('./commands/from-action.ts')
  const exitCode = await runAction({
    environment: process.env,
    directory: process.cwd(),
    stdout: text => process.stdout.write(text),
  })
  process.exitCode = interruptedExitCode() ?? exitCode
} else {
  process.stdout.write(`::error title=NODE_TOO_OLD::${fault}\n`)
  process.exitCode = 2
}
