// Makes one script of each stand-in program: what the base image carries in usr/bin.

import { resolve } from 'node:path'
import { build } from 'esbuild'

export type StandInProgram = 'rpm-ostree' | 'ostree'

/** The text of an executable script for /usr/bin/node of the image. */
export async function bundleStandIn(program: StandInProgram): Promise<Uint8Array> {
  const result = await build({
    entryPoints: [resolve(import.meta.dirname, `${program}.ts`)],
    bundle: true,
    // comments in the script name the files from here, so it must not be the current directory
    absWorkingDir: import.meta.dirname,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    banner: { js: '#!/usr/bin/node' },
    logLevel: 'silent',
  })
  const [script] = result.outputFiles
  if (script === undefined) throw new Error(`esbuild made nothing of ${program}`)
  return script.contents
}
