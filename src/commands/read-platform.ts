// A platform profile from its directories.

import { readPlatformDirectory } from '../edge/platform-files.ts'
import { type Platform, parsePlatform } from '../predict/platform/platform.ts'
import { isProfileFile } from '../predict/platform/profile-files.ts'

/**
 * Reads `--platform name=A+B`: the directories as one profile. Throws FILE_NOT_FOUND, CEILING_REACHED, INPUT_INVALID and
 * PLATFORM_INVALID.
 */
export async function readPlatform(directories: readonly string[], name?: string): Promise<Platform> {
  const read = []
  for (const directory of directories) read.push(await readPlatformDirectory(directory, isProfileFile))
  return parsePlatform(read, name)
}
