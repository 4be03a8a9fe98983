// `capture`: variables and event log of a node in, platform profile out, with what they do not tell.

import { extractFiles } from '../edge/extract-files.ts'
import { fileCeilings, readLocalFile } from '../edge/files.ts'
import { checkEmptyDirectory, readPcrsBeside, readPlatformDirectory } from '../edge/platform-files.ts'
import { parsePcrs } from '../predict/compare-pcrs.ts'
import { captureProfile } from '../predict/platform/capture.ts'
import { isProfileFile } from '../predict/platform/profile-files.ts'
import type { CaptureOptions } from '../settings/settings.ts'
import type { Command } from './command.ts'

/** The document that `capture --json` prints. */
export interface CaptureDocument {
  readonly schemaVersion: 1
  readonly platform: string
  readonly profileSha256: string
  readonly output: string
  /** Names of the files that were written. */
  readonly files: readonly string[]
  /** What platform.yaml says. */
  readonly learned: Readonly<Record<string, unknown>>
  /** Sentences on what is missing, assumed or contradicting. */
  readonly notLearned: readonly string[]
}

/** Throws as `captureNode`. */
export const captureCommand: Command<'capture'> = async request => {
  const document = await captureNode(request)
  return { outputs: {}, document, text: captureTable(document), exitCode: 0 }
}

/**
 * Reads, makes the profile and writes it. Throws FILE_NOT_FOUND, CEILING_REACHED, INPUT_INVALID, EVENT_LOG_INVALID,
 * PLATFORM_INVALID, and OUTPUT_NOT_WRITABLE when the output is there and not empty.
 */
export async function captureNode(options: CaptureOptions): Promise<CaptureDocument> {
  const { log, efivars, mokVariables, output } = options
  const { absolute } = await checkEmptyDirectory(output)
  const pcrs = await readPcrsBeside(log)
  const profile = captureProfile({
    output: { name: output, absolute },
    log: { bytes: await readLocalFile(log, fileCeilings.eventLog), source: log },
    efivars: await readPlatformDirectory(efivars, isProfileFile),
    mokVariables: mokVariables === undefined ? undefined : await readPlatformDirectory(mokVariables, isProfileFile),
    pcrs: pcrs === undefined ? undefined : parsePcrs(pcrs.text, pcrs.source),
  })
  await extractFiles(output, profile.files)
  return {
    schemaVersion: 1,
    platform: profile.platform.name,
    profileSha256: profile.platform.profileSha256,
    output,
    files: profile.files.map(({ name }) => name),
    learned: profile.learned,
    notLearned: profile.notLearned,
  }
}

/** The document for people, at most 80 columns wide but for long paths. */
export function captureTable({ platform, profileSha256, output, files, learned, notLearned }: CaptureDocument): string {
  return [
    `platform  ${platform}`,
    `written   ${output}`,
    `sha256    ${profileSha256}`,
    '',
    ...files.map(name => `  ${name}`),
    '',
    'learned',
    ...Object.entries(learned)
      .filter(([key]) => key !== 'name')
      .map(([key, value]) => `  ${key}: ${oneLine(value)}`),
    '',
    notLearned.length === 0 ? 'nothing is missing' : 'not learned, or to look at',
    ...notLearned.flatMap(note => wrapped(note)),
  ].join('\n')
}

function oneLine(value: unknown): string {
  return Array.isArray(value) ? value.join(', ') : `${value}`.trim().replaceAll('\n', ' ')
}

const width = 80

/** A sentence as lines of at most 80 columns, behind a dash. */
function wrapped(sentence: string): string[] {
  const lines = ['  -']
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1) ?? ''
    if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`    ${word}`)
  }
  return lines
}
