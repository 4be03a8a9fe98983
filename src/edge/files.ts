// Files of this machine, read whole and never past a ceiling.

import { constants, open } from 'node:fs/promises'
import { ToolError } from '../errors.ts'

/** Ceilings of interface §8 and for files that people write. */
export const fileCeilings = {
  bootFile: 512 * 1024 * 1024,
  eventLog: 16 * 1024 * 1024,
  text: 4 * 1024 * 1024,
} as const

/** The bytes of a file. Throws FILE_NOT_FOUND when it cannot be opened or is no plain file, CEILING_REACHED above `ceiling` bytes. */
export async function readLocalFile(path: string, ceiling: number): Promise<Uint8Array> {
  // a FIFO that nobody writes to must not make us wait
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw notFound(path, cause)
  })
  try {
    const { size } = await plainFile(file, path)
    if (size > ceiling) throw tooLarge(path, size, ceiling)
    const bytes = new Uint8Array(size)
    let filled = 0
    while (filled < size) {
      const { bytesRead } = await file.read(bytes, filled, size - filled, filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return size > 0 ? bytes.subarray(0, filled) : await readUntilEnd(file, path, ceiling)
  } finally {
    await file.close()
  }
}

/** A file of this machine as text. Throws as `readLocalFile`. */
export async function readLocalText(path: string, ceiling: number = fileCeilings.text): Promise<string> {
  return new TextDecoder().decode(await readLocalFile(path, ceiling))
}

/**
 * The text of a file that the value of a secret setting names. Faults tell the name of the setting and not its value: who takes a secret for
 * its path, or the other way round, would see it printed. Throws as `readLocalFile`.
 */
export async function readSecretFile(value: string, setting: string): Promise<string> {
  try {
    return await readLocalText(value)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    const { code, found } = error
    throw new ToolError(code, `${setting} is neither the secret itself nor the path of a file that can be read`, {
      ...(found === undefined ? {} : { found }),
      where: { path: setting },
    })
  }
}

type OpenFile = Awaited<ReturnType<typeof open>>

async function plainFile(file: OpenFile, path: string): Promise<{ readonly size: number }> {
  const stat = await file.stat()
  if (!stat.isFile()) throw notFound(path, undefined, 'not a plain file')
  return stat
}

/** Files of securityfs and sysfs say size 0: /sys/kernel/security/tpm0/binary_bios_measurements is one. */
async function readUntilEnd(file: OpenFile, path: string, ceiling: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for (let size = 0; ; ) {
    const { bytesRead, buffer } = await file.read(new Uint8Array(64 * 1024), 0, 64 * 1024, null)
    if (bytesRead === 0) return new Uint8Array(Buffer.concat(parts))
    size += bytesRead
    if (size > ceiling) throw tooLarge(path, size, ceiling)
    parts.push(buffer.subarray(0, bytesRead))
  }
}

function notFound(path: string, cause: unknown, found = reason(cause)): ToolError {
  return new ToolError('FILE_NOT_FOUND', `cannot read ${path}`, { found, where: { source: path }, cause })
}

function reason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' ? code : String(cause)
}

function tooLarge(path: string, size: number, ceiling: number): ToolError {
  return new ToolError('CEILING_REACHED', 'the file is too large', {
    found: `${size} bytes or more`,
    wanted: `at most ${ceiling}`,
    where: { source: path },
  })
}
