// `predict`: boot files and platforms in, prediction out, as a document, as a table, or in the form of another program.

import { fileCeilings, readLocalFile } from '../edge/files.ts'
import { timeNow } from '../edge/surroundings.ts'
import { ToolError } from '../errors.ts'
import { parsePe } from '../formats/pe/pe.ts'
import type { VendorCert } from '../formats/shim/vendor-cert.ts'
import { type EventLog, parseEventLog } from '../formats/tcg/event-log.ts'
import type { BootFile } from '../image/boot-file.ts'
import { calibrated } from '../predict/calibrated.ts'
import { predictImageMixes } from '../predict/mixes/images.ts'
import { mixLines, publicationLines } from '../predict/mixes/table.ts'
import { publicationOfImages } from '../predict/operator/images.ts'
import { outputFormats } from '../predict/output/output.ts'
import type { Platform } from '../predict/platform/platform.ts'
import { type ImageToPredict, predictImage } from '../predict/predict-image.ts'
import type { Prediction, PredictionDocument } from '../predict/prediction.ts'
import { predictionTable } from '../predict/prediction-table.ts'
import { parseShimBuild } from '../predict/shim/shim-build.ts'
import { secureBootOfLog } from '../predict/substitution/substituted-log.ts'
import { type SubstitutedPrediction, substitutedPrediction } from '../predict/substitution/substituted-prediction.ts'
import { expiration } from '../propose/trustee-config-map.ts'
import type { PredictOptions } from '../settings/settings.ts'
import { type BootFileSet, readBootFileSets, readPlatforms } from './boot-sources.ts'
import type { Command, CommandResult } from './command.ts'

/** Throws as files and images are read, and as `predictImage`, `predictImageMixes`, `substitutedPrediction` and the output formats. */
export const predictCommand: Command<'predict'> = async request => {
  const { source, withMixes, asOperator } = request
  if (source.kind === 'images' && source.images.length > 1 && !withMixes && !asOperator)
    throw new ToolError('USAGE', 'several images are given', {
      found: `${source.images.length} images`,
      wanted: 'one image, or --mixes or --as-operator with several, oldest first',
    })
  const platforms = await readPlatforms(request.platforms)
  const sets = await readBootFileSets(source, request)
  return asOperator ? asTheOperator(sets) : await predicted(request, sets, platforms)
}

async function predicted(
  request: PredictOptions,
  sets: readonly BootFileSet[],
  platforms: readonly Platform[],
): Promise<CommandResult> {
  const { substitute, banks, phase, format, trusteeShape: shape } = request
  const log =
    substitute === undefined
      ? undefined
      : parseEventLog(await readLocalFile(substitute, fileCeilings.eventLog), substitute)
  // the log tells what nobody else said
  const told = log === undefined || platforms.some(platform => platform.secureBoot !== undefined)
  const secureBoot = request.secureBoot ?? (told ? undefined : secureBootOfLog(log))
  const newest = sets.at(-1)
  if (newest === undefined) throw new ToolError('USAGE', 'no boot files are given')
  const shims = sets.flatMap(({ files }) => vendorOf(files))
  const conditions: Omit<ImageToPredict, 'files'> = { platforms, secureBoot, banks, phase, otherShims: shims }
  const { bootFiles, predictions } = predictImage({ ...conditions, files: newest.files })
  const logged = platforms.some(({ eventLog }) => eventLog !== undefined)
  const others = logged
    ? sets.slice(0, -1).flatMap(({ files }) => predictImage({ ...conditions, files }).predictions)
    : []
  const judged = predictions.map(prediction => calibrated(prediction, platforms, others))
  const document: PredictionDocument = { schemaVersion: 1, image: newest.image, bootFiles, predictions: judged }
  const mixed = request.withMixes
    ? predictImageMixes({
        ...conditions,
        platforms,
        history: sets.map(named),
        policy: { ...request.mixes, bootLoaderUpdates: 'automatic' },
        limit: request.mixes.limit,
      })
    : undefined
  const whole = { ...withLog(document, log, request, newest.files, platforms), ...(mixed ?? {}) }
  if (format === 'table' || format === 'json') {
    const lines =
      mixed === undefined
        ? []
        : [
            '',
            ...mixLines(
              sets.map(set => named(set).digest),
              mixed,
            ),
          ]
    return result(whole, [predictionTable(whole).trimEnd(), ...lines].join('\n'))
  }
  if (log !== undefined)
    throw new ToolError('USAGE', `the format ${format} does not hold what was taken from a log`, {
      found: `--substitute and --format ${format}`,
      wanted: '--format json or table',
    })
  const [vendorCert] = vendorOf(newest.files)
  const expires = expiration(timeNow().slice(0, 10), request.valueLifetime)
  const values = mixed === undefined ? {} : { mixes: mixed.mixes }
  const text = outputFormats[format]({ ...document, ...values }, { platforms, vendorCert, shape, expires })
  return result(whole, text.trimEnd())
}

/** Fills the recorded log in where one is given. */
function withLog(
  document: PredictionDocument,
  log: EventLog | undefined,
  { banks }: PredictOptions,
  files: readonly BootFile[],
  platforms: readonly Platform[],
): PredictionDocument<Prediction | SubstitutedPrediction> {
  if (log === undefined) return document
  const filled = document.predictions.map(prediction =>
    substitutedPrediction(
      prediction,
      platforms.find(({ name }) => name === prediction.platform),
      { log, files, banks },
    ),
  )
  return { ...document, predictions: filled }
}

function asTheOperator(sets: readonly BootFileSet[]): CommandResult {
  const images = sets.map(set => ({ ...named(set), os: set.image?.os ?? { id: null, versionId: null } }))
  const publication = publicationOfImages(images)
  const document = { schemaVersion: 1, images: images.map(({ digest }) => digest), ...publication }
  return result(document, publicationLines(publication).join('\n'))
}

function result(document: object, text: string): CommandResult {
  return { outputs: {}, document, predictions: document, text, exitCode: 0 }
}

/** An image by its digest, or by its source where it has none. */
function named({ image, files }: BootFileSet): { readonly digest: string; readonly files: readonly BootFile[] } {
  return { digest: image?.digest ?? image?.source ?? 'boot files', files }
}

function vendorOf(files: readonly BootFile[]): readonly VendorCert[] {
  return files
    .filter(({ role }) => role === 'shim')
    .map(({ bytes, path }) => parseShimBuild(parsePe(bytes, path)).vendor)
}
