// Four images as a cluster gets them one after another, and what a machine measures that has the boot loader of one and the kernel of another.

import { join } from 'node:path'
import { firmwareKey, makeGrub, makeKernel, makeShim } from './boot-files.ts'
import { bootOfGrub, valuesOf } from './measured-boot.ts'
import { type GrubFiles, grubFiles, grubTree, imageOf, layoutOf, wordsFor } from './predict-runs.ts'

export interface ImageOfHistory {
  /** `--image` for it. */
  readonly words: readonly string[]
  readonly digest: string
  readonly files: GrubFiles
}

/**
 * Image 0 is the oldest; 1 has another shim, GRUB and kernel; 2 the boot loaders of 1 and another kernel; 3 is by another vendor, whose shim the
 * firmware trusts too. Call `write` before anything else.
 */
export function imageHistory(seed: string, directory: string) {
  const words = wordsFor(seed, directory)
  const release = (build: number) => `5.14.0-${build}.el9.x86_64`
  const next = grubFiles(seed, {
    shim: makeShim({ seed, version: '15.8' }),
    grub: makeGrub({ seed, sbat: 'redhat-2.12' }),
    kernel: makeKernel({ seed, release: release(605) }),
    release: release(605),
  })
  const kernel = makeKernel({ seed, release: release(611) })
  const newest = grubFiles(seed, { ...next, kernel, release: release(611) })
  const vendor = `${seed}/rotated`
  const rotated = grubFiles(vendor, { shim: makeShim({ seed: vendor, signer: firmwareKey(seed) }) })
  const images: ImageOfHistory[] = []
  const imageAt = (index: number) => images[index] ?? { words: [], digest: '', files: words.files }
  return {
    words,
    rack: words.platform(),
    images,
    imageAt,
    /** `--image` for each of these. */
    given: (...indexes: readonly number[]) => indexes.flatMap(index => imageAt(index).words),
    /** PCR → value on `rack` after a boot with the boot loader of one image and the kernel of another. */
    bootOf(bootLoader: number, kernelOf: number): Record<string, string> {
      const [{ shim, grub }, other] = [imageAt(bootLoader).files, imageAt(kernelOf).files]
      const boot = { seed, machine: words.machine, secureBoot: true, ...other, shim, grub }
      return valuesOf(bootOfGrub(boot), 'sha256')
    },
    async write(): Promise<void> {
      for (const [index, files] of [words.files, next, newest, rotated].entries()) {
        const image = imageOf(grubTree(files))
        const source = await layoutOf(join(directory, `image-${index}`), image)
        images.push({ words: ['--image', source], digest: image.digest, files })
      }
    },
  }
}
