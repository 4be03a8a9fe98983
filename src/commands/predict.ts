// `predict`: boot files and platforms in, prediction out, as a document, as a table, or in the form of another program.

import { fileCeilings, readLocalFile } from '../edge/files.ts'
import { timeNow } from '../edge/surroundings.ts'
import { ToolError } from '../errors.ts'
import { parsePe } from '../formats/pe/pe.ts'
import type { VendorCert } from '../formats/shim/vendor-cert.ts'
import { type EventLog, parseEventLog } from '../formats/tcg/event-log.ts'
import type { BootFile } from '../image/boot-file.ts'
import { tocNote } from '../image/image-contents.ts'
import { calibrated } from '../predict/calibrated.ts'
import { predictImageMixes } from '../predict/mixes/images.ts'
import { mixLines, publicationLines } from '../predict/mixes/table.ts'
import { publicationOfImages } from '../predict/operator/images.ts'
import { approvedPredictions } from '../predict/output/choice.ts'
import { outputFormats } from '../predict/output/output.ts'
import type { Platform } from '../predict/platform/platform.ts'
import { predictImage } from '../predict/predict-image.ts'
import type { PredictionDocument } from '../predict/prediction.ts'
import { predictionTable } from '../predict/prediction-table.ts'
import { parseShimBuild } from '../predict/shim/shim-build.ts'
import { secureBootOfLog } from '../predict/substitution/substituted-log.ts'
import { substitutedPrediction } from '../predict/substitution/substituted-prediction.ts'
import { expiration } from '../propose/trustee-config-map.ts'
import type { PredictOptions } from '../settings/settings.ts'
import { type BootFileSet, readBootFileSets, readPlatforms } from './boot-sources.ts'
import type { Command, CommandResult } from './command.ts'

/** Throws as files and images are read, and as `predictImage`, `predictImageMixes`, `substitutedPrediction` and the output formats. */
export const predictCommand: Command<'predict'> = async (request, credentials, { progress }) => {
  const { source, withMixes, asOperator, substitute } = request
  if (source.kind === 'images' && source.images.length > 1 && !withMixes && !asOperator)
    throw new ToolError('USAGE', 'several images are given', {
      found: `${source.images.length} images`,
      wanted: 'one image, or --mixes or --as-operator with several, oldest first',
    })
  const platforms = await readPlatforms(request.platforms)
  const sets = await readBootFileSets(source, request, credentials, progress)
  if (asOperator) return asTheOperator(sets)
  if (substitute === undefined) return predicted(request, sets, platforms)
  const log = parseEventLog(await readLocalFile(substitute, fileCeilings.eventLog), substitute)
  return filledIn(request, sets, platforms, log)
}

function predicted(
  request: PredictOptions,
  sets: readonly BootFileSet[],
  platforms: readonly Platform[],
): CommandResult {
  const { secureBoot, format, trusteeShape: shape, valueLifetime } = request
  const document = predictNewest(request, sets, platforms, secureBoot)
  const mixed = request.withMixes
    ? predictImageMixes({
        ...conditionsOf(request, sets),
        platforms,
        history: sets.map(named),
        policy: { ...request.mixes, bootLoaderUpdates: 'automatic' },
        limit: request.mixes.limit,
      })
    : undefined
  const whole = { ...document, ...mixed }
  if (format === 'table' || format === 'json') {
    const images = sets.map(set => named(set).digest)
    const lines = mixed === undefined ? [] : ['', ...mixLines(images, mixed)]
    return result(whole, [predictionTable(document).trimEnd(), ...lines].join('\n'))
  }
  const [vendorCert] = vendorsOf(sets.slice(-1))
  const expires = expiration(timeNow().slice(0, 10), valueLifetime)
  const predictions = approvedPredictions(document.predictions, platforms, secureBoot, format)
  const text = outputFormats[format]({ ...whole, predictions }, { platforms, vendorCert, shape, expires })
  return result(whole, text.trimEnd())
}

/** With the recorded log; it tells the Secure Boot state of platforms that do not. */
function filledIn(
  request: PredictOptions,
  sets: readonly BootFileSet[],
  given: readonly Platform[],
  log: EventLog,
): CommandResult {
  const logged = secureBootOfLog(log)
  const platforms = given.map(platform => ({ ...platform, secureBoot: platform.secureBoot ?? logged }))
  const secureBoot = request.secureBoot ?? (platforms.length === 0 ? logged : undefined)
  const document = predictNewest(request, sets, platforms, secureBoot)
  const files = sets.at(-1)?.files ?? []
  const predictions = document.predictions.map(prediction =>
    substitutedPrediction(
      prediction,
      platforms.find(({ name }) => name === prediction.platform),
      { log, files, banks: request.banks },
    ),
  )
  const filled = { ...document, predictions }
  return result(filled, predictionTable(filled).trimEnd())
}

/** The newest of the images, judged by the logs of the platforms. */
function predictNewest(
  request: PredictOptions,
  sets: readonly BootFileSet[],
  platforms: readonly Platform[],
  secureBoot: boolean | undefined,
): PredictionDocument {
  const newest = sets.at(-1)
  if (newest === undefined) throw new ToolError('USAGE', 'no boot files are given')
  const conditions = { ...conditionsOf(request, sets), platforms, secureBoot }
  const { bootFiles, predictions } = predictImage({ ...conditions, files: newest.files })
  const older = platforms.some(({ eventLog }) => eventLog !== undefined) ? sets.slice(0, -1) : []
  const others = older.flatMap(({ files }) => predictImage({ ...conditions, files }).predictions)
  const byToc = sets.some(({ image }) => image?.proof === 'toc') ? [tocNote] : []
  const judged = predictions
    .map(prediction => calibrated(prediction, platforms, others))
    .map(prediction => ({ ...prediction, notes: [...prediction.notes, ...byToc] }))
  return { schemaVersion: 1, image: newest.image, bootFiles, predictions: judged }
}

function conditionsOf({ secureBoot, banks, phase }: PredictOptions, sets: readonly BootFileSet[]) {
  return { secureBoot, banks, phase, otherShims: vendorsOf(sets) }
}

function asTheOperator(sets: readonly BootFileSet[]): CommandResult {
  const images = sets.map(set => ({
    ...named(set),
    os: set.image?.os ?? { id: null, versionId: null },
    label: set.imageLabels['org.coreos.pcrs'],
  }))
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

function vendorsOf(sets: readonly BootFileSet[]): readonly VendorCert[] {
  const shims = sets.flatMap(({ files }) => files.filter(({ role }) => role === 'shim'))
  return shims.map(({ bytes, path }) => parseShimBuild(parsePe(bytes, path)).vendor)
}
