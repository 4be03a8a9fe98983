// A platform profile from its directories.

import { readPlatformDirectory } from '../edge/platform-files.ts'
import { ToolError } from '../errors.ts'
import { type Platform, parsePlatform } from '../predict/platform/platform.ts'
import { isProfileFile } from '../predict/platform/profile-files.ts'

/**
 * Reads `--platform name=A+B`: the directories as one profile. Throws FILE_NOT_FOUND, CEILING_REACHED, INPUT_INVALID and
 * PLATFORM_INVALID.
 */
export async function readPlatform(directories: readonly string[], name?: string): Promise<Platform> {
  const read = []
  for (const directory of directories) read.push(await readPlatformDirectory(directory, isProfileFile))
  // a wrong path would pass for a machine without keys
  const empty = read.find(({ files }) => files.size === 0)
  if (empty !== undefined)
    throw new ToolError('PLATFORM_INVALID', 'a directory has no file of a platform profile', {
      found: empty.name,
      wanted: 'variables as efivarfs or mok-variables show them, eventlog.bin or platform.yaml',
      where: { source: empty.name },
      hint: 'is this the right directory?',
    })
  return parsePlatform(read, name)
}
