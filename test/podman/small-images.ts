// Small base images for builds: one that can run commands, and one of another architecture that cannot.

import { readFileSync } from 'node:fs'
import { directory, file, makeLayer } from '../build/layer.ts'
import { makeImage } from '../build/oci-layout.ts'

const shell = new Uint8Array(readFileSync('/bin/busybox'))
const links = ['sh', 'dd', 'sleep', 'true'].map(name => file(`bin/${name}`, shell, { mode: 0o755 }))
/** One program with several names. */
export const small = makeImage({ layers: [makeLayer([directory('bin/'), ...links], { compression: 'none' })] })
/** An ELF header of 64-bit ARM (e_machine 183), and nothing that could run. */
const foreignProgram = Uint8Array.from([
  0x7f,
  0x45,
  0x4c,
  0x46,
  2,
  1,
  1,
  ...new Array(9).fill(0),
  2,
  0,
  183,
  0,
  1,
  ...new Array(43).fill(0),
])
export const foreign = makeImage({
  layers: [makeLayer([directory('bin/'), file('bin/sh', foreignProgram, { mode: 0o755 })])],
})
