// `explain`: the event log of a node and what it may have booted in, the first differences and their reasons out.

import { fileCeilings, readLocalFile, readLocalText } from '../edge/files.ts'
import { noProgress, type Progress } from '../edge/progress.ts'
import { readRecordFiles } from '../edge/record-files.ts'
import { ToolError } from '../errors.ts'
import { digestInBanks, formatDigests } from '../formats/bytes/digest.ts'
import { authenticodeDigests } from '../formats/pe/authenticode.ts'
import { findSection, parsePe } from '../formats/pe/pe.ts'
import { parseSbatLevelSection } from '../formats/shim/sbat-level.ts'
import type { VendorCert } from '../formats/shim/vendor-cert.ts'
import { parseEventLog } from '../formats/tcg/event-log.ts'
import type { BootFile } from '../image/boot-file.ts'
import { comparePcrs, parsePcrs } from '../predict/compare-pcrs.ts'
import type { Candidate, SideProgram } from '../predict/explain/candidates.ts'
import { type ExplainDocument, explain } from '../predict/explain/explain.ts'
import { explainTable } from '../predict/explain/table.ts'
import type { Platform } from '../predict/platform/platform.ts'
import { type ImageToPredict, predictImage } from '../predict/predict-image.ts'
import type { PredictedImage } from '../predict/prediction.ts'
import { parseShimBuild } from '../predict/shim/shim-build.ts'
import { readRecords, type StoredRecord } from '../propose/record.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { ExplainOptions } from '../settings/settings.ts'
import { type BootFileSet, readBootFileSets, readPlatforms } from './boot-sources.ts'
import type { Command } from './command.ts'

/** Throws as `explainLog`. Exit code 3 when a compared value differs. */
export const explainCommand: Command<'explain'> = async (request, credentials, { progress }) => {
  const { document, text, differs } = await explainLog(request, credentials, progress)
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
export async function explainLog(
  request: ExplainOptions,
  secrets?: Pick<Credentials, 'pullSecret'>,
  progress: Progress = noProgress,
): Promise<ExplainResult> {
  const { banks, pcrs } = request
  const log = parseEventLog(await readLocalFile(request.log, fileCeilings.eventLog), request.log)
  const live = pcrs === undefined ? undefined : parsePcrs(await readLocalText(pcrs), pcrs)
  if (pcrs !== undefined && live !== undefined && comparePcrs(log, live, banks).compared === 0)
    throw new ToolError('INPUT_INVALID', 'no value could be compared', {
      found: `a log with the banks ${log.banks.join(', ')}`,
      wanted: `values for ${banks.join(', ')}`,
      where: { source: pcrs },
    })
  const platforms = await readPlatforms(request.platforms)
  const { candidates, sbatLevels } = await readCandidates(request, secrets, platforms, progress)
  const explanation = explain({
    log,
    candidates,
    platforms,
    sbatLevels,
    banks,
    ...(live === undefined ? {} : { live }),
  })
  const { document } = explanation
  return { document, text: explainTable(explanation).trimEnd(), differs: document.pcrs.some(one => !one.equal) }
}

interface ReadCandidates {
  readonly candidates: readonly Candidate[]
  /** Levels of the shims that were read. */
  readonly sbatLevels: readonly string[]
}

async function readCandidates(
  request: ExplainOptions,
  secrets: Pick<Credentials, 'pullSecret'> | undefined,
  platforms: readonly Platform[],
  progress: Progress,
): Promise<ReadCandidates> {
  const { source } = request
  if (source.kind === 'records') {
    const records = readRecords('', await readRecordFiles(source.directory))
    return { candidates: candidatesOfRecords(request, platforms, records, source.directory), sbatLevels: [] }
  }
  const sets = await readBootFileSets(source, request, secrets, progress)
  const builds = sets.map(({ files }) => shimOf(files))
  const otherShims = builds.flatMap(build => build?.vendor ?? [])
  const candidates = sets.flatMap((set, index) =>
    candidatesOfFiles(request, set, builds[index], { platforms, otherShims }),
  )
  return { candidates, sbatLevels: builds.flatMap(build => build?.sbatLevels ?? []) }
}

interface ShimAtHand {
  readonly vendor: VendorCert
  /** What it measures as MokList without any key. */
  readonly mokList: Uint8Array
  readonly sbatLevels: readonly string[]
}

/** Throws SHIM_UNSUPPORTED. */
function shimOf(files: readonly BootFile[]): ShimAtHand | undefined {
  const file = files.find(({ role }) => role === 'shim')
  if (file === undefined) return undefined
  const pe = parsePe(file.bytes, file.path)
  const { vendor, mokList } = parseShimBuild(pe)
  const section = findSection(pe, '.sbatlevel')
  const levels = section === undefined ? undefined : parseSbatLevelSection(section.data, file.path)
  return { vendor, mokList, sbatLevels: levels === undefined ? [] : [levels.automatic, levels.latest] }
}

/** One candidate for each prediction. Throws as `predictImage`. */
function candidatesOfFiles(
  { secureBoot, banks, phase }: ExplainOptions,
  { image, files }: BootFileSet,
  shim: ShimAtHand | undefined,
  known: Pick<ImageToPredict, 'platforms' | 'otherShims'>,
): Candidate[] {
  const { bootFiles, predictions } = predictImage({ files, secureBoot, banks, phase, ...known })
  const vendorMokList = shim === undefined ? {} : { vendorMokList: formatDigests(digestInBanks(shim.mokList)) }
  const pinned = image === null ? null : nameOf(image)
  const label = pinned ?? 'the boot files given'
  const programs = files.flatMap(sideProgram)
  const offIsSaid = (name: string | null) =>
    secureBoot === false ||
    (secureBoot === undefined && known.platforms?.find(platform => platform.name === name)?.secureBoot === false)
  return predictions.map(prediction => {
    const unasked = !prediction.secureBoot && !offIsSaid(prediction.platform)
    return { label, image: pinned, bootFiles, programs, ...vendorMokList, unasked, prediction }
  })
}

/** shim starts these, so a log may have them; files that cannot be read are only not recognised. */
function sideProgram({ role, path, bytes }: BootFile): SideProgram[] {
  if (role !== 'fallback' && role !== 'mok-manager') return []
  try {
    return [{ role, path, digests: formatDigests(authenticodeDigests(parsePe(bytes, path))) }]
  } catch (error) {
    if (error instanceof ToolError) return []
    throw error
  }
}

function nameOf({ source, digest }: PredictedImage): string {
  return digest === null || source.includes(digest) ? source : `${source} ${digest}`
}

/**
 * Retired images only to recognise files: a node that still boots one fails, and its owner should be told why. Throws INPUT_INVALID when
 * no record has a prediction for the conditions asked for.
 */
function candidatesOfRecords(
  { secureBoot }: ExplainOptions,
  platforms: readonly Platform[],
  records: readonly StoredRecord[],
  directory: string,
): readonly Candidate[] {
  const names = platforms.map(({ name }) => name)
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
