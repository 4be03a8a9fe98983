// `explain`: the event log of a node and what it may have booted in, the first differences and their reasons out.

import { fileCeilings, readLocalFile, readLocalText } from '../edge/files.ts'
import { readRecordFiles } from '../edge/record-files.ts'
import { environment } from '../edge/surroundings.ts'
import { ToolError } from '../errors.ts'
import { digestInBanks, formatDigests } from '../formats/bytes/digest.ts'
import { parsePe } from '../formats/pe/pe.ts'
import { parseEventLog } from '../formats/tcg/event-log.ts'
import type { BootFile } from '../image/boot-file.ts'
import { comparePcrs, parsePcrs } from '../predict/compare-pcrs.ts'
import { type ExplainDocument, explain } from '../predict/explain.ts'
import type { Candidate } from '../predict/explain-candidates.ts'
import { explainTable } from '../predict/explain-table.ts'
import { predictImage } from '../predict/predict-image.ts'
import { parseShimBuild } from '../predict/shim-build.ts'
import { readRecords, type StoredRecord } from '../propose/record.ts'
import type { BootFilePath, ExplainOptions } from '../settings/settings.ts'
import type { ImageLocation } from '../settings/values.ts'
import type { Command } from './command.ts'
import { openImage, registryOf } from './open-image.ts'
import { readImage } from './read-image.ts'

/** Throws as `explainLog`. Exit code 3 when a compared value differs. */
export const explainCommand: Command<'explain'> = async request => {
  const { document, text, differs } = await explainLog(request)
  return { outputs: {}, document, text, exitCode: differs ? 3 : 0 }
}

export interface ExplainResult {
  readonly document: ExplainDocument
  readonly text: string
  readonly differs: boolean
}

/**
 * Throws as images are read and predicted, EVENT_LOG_INVALID for a log that cannot be used, INPUT_INVALID for --pcrs or records that
 * cannot be used.
 */
export async function explainLog(request: ExplainOptions): Promise<ExplainResult> {
  const { banks, pcrs } = request
  const log = parseEventLog(await readLocalFile(request.log, fileCeilings.eventLog), request.log)
  const live = pcrs === undefined ? undefined : parsePcrs(await readLocalText(pcrs), pcrs)
  if (pcrs !== undefined && live !== undefined && comparePcrs(log, live, banks).compared === 0)
    throw new ToolError('INPUT_INVALID', 'no value could be compared', {
      found: `a log with the banks ${log.banks.join(', ')}`,
      wanted: `values for ${banks.join(', ')}`,
      where: { source: pcrs },
    })
  const candidates = await readCandidates(request)
  const explanation = explain({ log, candidates, banks, ...(live === undefined ? {} : { live }) })
  const { document } = explanation
  return { document, text: explainTable(explanation).trimEnd(), differs: document.pcrs.some(one => !one.equal) }
}

async function readCandidates(request: ExplainOptions): Promise<readonly Candidate[]> {
  const { source } = request
  switch (source.kind) {
    case 'images':
      return await candidatesOfImages(request, source.images)
    case 'boot-files':
      return await candidatesOfBootFiles(request, source.files)
    case 'records':
      return candidatesOfRecords(request, readRecords('', await readRecordFiles(source.directory)), source.directory)
  }
}

async function candidatesOfImages(request: ExplainOptions, images: readonly ImageLocation[]): Promise<Candidate[]> {
  const registry = await registryOf(environment(), request.allowInsecure)
  const candidates: Candidate[] = []
  for (const location of images) {
    const { source, digest, bootFiles } = await readImage(await openImage(location, registry, request.architecture))
    const pinned = source.includes(digest) ? source : `${source} ${digest}`
    candidates.push(...candidatesOfFiles(request, { label: pinned, image: pinned }, bootFiles))
  }
  return candidates
}

async function candidatesOfBootFiles(request: ExplainOptions, paths: readonly BootFilePath[]): Promise<Candidate[]> {
  const files: BootFile[] = []
  for (const { role, path } of paths)
    files.push({ role, path, layer: null, bytes: await readLocalFile(path, fileCeilings.bootFile) })
  return candidatesOfFiles(request, { label: 'the boot files given', image: null }, files)
}

/** One candidate for each prediction. Throws as `predictImage`. */
function candidatesOfFiles(
  { secureBoot, banks }: ExplainOptions,
  named: Pick<Candidate, 'label' | 'image'>,
  files: readonly BootFile[],
): Candidate[] {
  const { bootFiles, predictions } = predictImage({ files, secureBoot, banks })
  const shim = files.find(file => file.role === 'shim')
  const list = shim === undefined ? undefined : parseShimBuild(parsePe(shim.bytes, shim.path)).mokList
  const vendorMokList = list === undefined ? {} : { vendorMokList: formatDigests(digestInBanks(list)) }
  return predictions.map(prediction => ({ ...named, bootFiles, ...vendorMokList, prediction }))
}

/**
 * Retired images only to recognise files: a node that still boots one fails, and its owner should be told why. Throws INPUT_INVALID when
 * no record has a prediction for the conditions asked for.
 */
function candidatesOfRecords(
  { secureBoot, platforms }: ExplainOptions,
  records: readonly StoredRecord[],
  directory: string,
): readonly Candidate[] {
  const names = platforms.flatMap(({ name }) => name ?? [])
  const isAskedFor = ({ prediction }: Candidate) =>
    (secureBoot === undefined || prediction.secureBoot === secureBoot) &&
    (names.length === 0 || prediction.platform === null || names.includes(prediction.platform))
  const byAge = records.toSorted((a, b) => a.record.created.localeCompare(b.record.created, 'en'))
  const candidates = byAge
    .flatMap(({ record: { image, retired, bootFiles, predictions } }) => {
      const named =
        retired === undefined ? { label: image } : { label: `${image} (retired ${retired.at})`, retired: true }
      return predictions.map(prediction => ({ ...named, image, bootFiles, prediction }))
    })
    .filter(isAskedFor)
  if (candidates.length > 0) return candidates
  throw new ToolError('INPUT_INVALID', 'no record has a prediction to compare with', {
    found: `${records.length} records`,
    wanted: 'os-images/osimg-….yaml with a prediction for the platform and Secure Boot state asked for',
    where: { source: directory },
  })
}
