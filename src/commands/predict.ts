// `predict`: boot files and platforms in, prediction out, as a document and as a table.

import { ToolError } from '../errors.ts'
import { predictImage } from '../predict/predict-image.ts'
import type { PredictionDocument } from '../predict/prediction.ts'
import { predictionTable } from '../predict/prediction-table.ts'
import { readBootFileSets, readPlatforms } from './boot-sources.ts'
import type { Command } from './command.ts'

/** Throws as files and images are read, and as `predictImage`. */
export const predictCommand: Command<'predict'> = async request => {
  const { source, secureBoot, banks, phase } = request
  const platforms = await readPlatforms(request.platforms)
  const sets = await readBootFileSets(source, request)
  const newest = sets.at(-1)
  if (newest === undefined) throw new ToolError('USAGE', 'no boot files are given')
  const { image, files } = newest
  const predicted = predictImage({ files, platforms, secureBoot, banks, phase })
  const document: PredictionDocument = { schemaVersion: 1, image, ...predicted }
  return { outputs: {}, document, predictions: document, text: predictionTable(document), exitCode: 0 }
}
