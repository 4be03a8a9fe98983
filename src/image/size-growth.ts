// What an image adds to its base, as registries store it: every node pulls that much.

import type { ImageSource } from './image-source.ts'

export interface SizeGrowth {
  readonly layers: number
  /** Compressed bytes of the layers above those of the base. */
  readonly bytes: number
  /** Compressed bytes of the base's own layers. */
  readonly baseBytes: number
}

/** For an image that begins with the layers of its base. */
export function sizeGrowth(image: ImageSource, base: ImageSource): SizeGrowth {
  const sum = (layers: ImageSource['manifest']['layers']) => layers.reduce((total, { size }) => total + size, 0)
  const own = image.manifest.layers.slice(base.manifest.layers.length)
  return { layers: own.length, bytes: sum(own), baseBytes: sum(base.manifest.layers) }
}

/** One sentence for log and pull request. */
export function sizeSentence({ layers, bytes, baseBytes }: SizeGrowth): string {
  const percent = baseBytes === 0 ? '' : ` (${((bytes / baseBytes) * 100).toFixed(1)} % of it)`
  return `${megabytes(bytes)} in ${layers} ${layers === 1 ? 'layer' : 'layers'} on a base of ${megabytes(baseBytes)}${percent}, compressed.`
}

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`
