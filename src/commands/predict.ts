// `predict`: boot files in, prediction out, as a document and as a table.

import { fileCeilings, readLocalFile } from '../edge/files.ts'
import { environment } from '../edge/surroundings.ts'
import type { Bank } from '../formats/bytes/digest.ts'
import type { BootFile, BootFileRole } from '../image/boot-file.ts'
import { imageFacts } from '../image/image-contents.ts'
import { predictImage } from '../predict/predict-image.ts'
import type { PredictedImage, PredictionDocument } from '../predict/prediction.ts'
import { predictionTable } from '../predict/prediction-table.ts'
import type { PredictOptions } from '../settings/settings.ts'
import type { ImageLocation } from '../settings/values.ts'
import type { Command } from './command.ts'
import { openImage, registryOf } from './open-image.ts'
import { readImage } from './read-image.ts'

/** Throws as the image is read, and as `predictImage`. */
export const predictCommand: Command<'predict'> = async request => {
  const { source, secureBoot, banks } = request
  const predicted =
    source.kind === 'boot-files'
      ? await predictBootFiles({ bootFiles: source.files, secureBoot, banks })
      : await predictFromImage(request, source.image)
  return {
    outputs: {},
    document: predicted.document,
    predictions: predicted.document,
    text: predicted.text,
    exitCode: 0,
  }
}

async function predictFromImage(request: PredictOptions, location: ImageLocation): Promise<PredictResult> {
  const { architecture, allowInsecure, secureBoot, banks } = request
  const registry = await registryOf(environment(), allowInsecure)
  const contents = await readImage(await openImage(location, registry, architecture))
  return predictFiles({ image: imageFacts(contents), files: contents.bootFiles, secureBoot, banks })
}

export interface BootFilesToPredict {
  /** `--boot-file ROLE=PATH`, in the order given. */
  readonly bootFiles: readonly { readonly role: BootFileRole; readonly path: string }[]
  readonly secureBoot: boolean | undefined
  readonly banks: readonly Bank[]
}

export interface PredictResult {
  readonly document: PredictionDocument
  /** The same for people, at most 80 columns wide. */
  readonly text: string
}

/** Reads the files and predicts. Throws as `readLocalFile` and `predictImage`. */
export async function predictBootFiles(options: BootFilesToPredict): Promise<PredictResult> {
  const files: BootFile[] = []
  for (const { role, path } of options.bootFiles)
    files.push({ role, path, layer: null, bytes: await readLocalFile(path, fileCeilings.bootFile) })
  return predictFiles({ image: null, files, secureBoot: options.secureBoot, banks: options.banks })
}

export interface FilesToPredict {
  /** null for files of the command line. */
  readonly image: PredictedImage | null
  readonly files: readonly BootFile[]
  readonly secureBoot: boolean | undefined
  readonly banks: readonly Bank[]
}

/** Predicts from files that were read already, of an image or of the command line. Throws as `predictImage`. */
export function predictFiles({ image, files, secureBoot, banks }: FilesToPredict): PredictResult {
  const document: PredictionDocument = { schemaVersion: 1, image, ...predictImage({ files, secureBoot, banks }) }
  return { document, text: predictionTable(document) }
}
