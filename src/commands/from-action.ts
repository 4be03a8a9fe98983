// One run of the Action: inputs → request → command → outputs, log, job summary, annotations, exit code.

import { addSummary, maskSecrets, setOutputs, workspaceFiles, writeDocument } from '../edge/action-io.ts'
import { errorCodeOf, exitCodeOf, renderAnnotations, renderSummary, renderText } from '../edge/annotations.ts'
import { actionLog, type Write } from '../edge/log.ts'
import { parseActionInputs } from '../settings/action-inputs.ts'
import { allOutputs } from '../settings/outputs.ts'
import { dispatch } from './dispatch.ts'
import { gatherSettings } from './gather-settings.ts'

export interface ActionWorld {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The current directory, which stands in for a workspace that is not set. */
  readonly directory: string
  /** Where the runner reads log and workflow commands. */
  readonly stdout: Write
}

/** Runs the Action and returns the exit code. Throws nothing. */
export async function runAction({ environment, directory, stdout }: ActionWorld): Promise<number> {
  const workspace = environment.GITHUB_WORKSPACE || directory
  const log = actionLog(stdout)
  const summary = (markdown: string) => addSummary(environment.GITHUB_STEP_SUMMARY, markdown)
  try {
    const inputs = parseActionInputs(environment)
    maskSecrets([...inputs.secrets.values(), environment.GITOPS_TOKEN ?? '', environment.GITHUB_TOKEN ?? ''])
    const parsed = gatherSettings({ ...inputs, secretFiles: new Map(), environment, directory: workspace })
    const result = await dispatch(parsed, log)
    const predictions =
      result.predictions === undefined
        ? {}
        : { predictions: writeDocument(environment.RUNNER_TEMP || directory, 'predictions.json', result.predictions) }
    setOutputs(allOutputs({ ...result.outputs, ...predictions }))
    const asJson = 'format' in parsed.request && parsed.request.format === 'json'
    log.info(asJson ? JSON.stringify(result.document, null, 2) : result.text)
    if (result.summary !== undefined) summary(result.summary)
    return result.exitCode
  } catch (error) {
    log.info(renderText(error))
    for (const line of renderAnnotations(error, workspaceFiles(workspace))) stdout(`${line}\n`)
    setOutputs(allOutputs({ outcome: 'failed', 'error-code': errorCodeOf(error) }))
    summary(renderSummary(error))
    return exitCodeOf(error)
  }
}
