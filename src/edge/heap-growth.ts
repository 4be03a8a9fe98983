// How far V8 lets the heap grow between two collections while layers are read.

import { setFlagsFromString } from 'node:v8'

let readers = 0

/**
 * Runs `work` with a heap that may grow to four times its size before V8 collects. Reading a layer leaves buffers outside of the heap, for which V8 collects
 * anyway, and hardly anything inside; but beside a heap as small as this program's V8 takes its own young space for a lack of room, and marks the whole
 * heap again every 13 MB: a fifth of all CPU time (bench/results.md).
 */
export async function withGrowingHeap<T>(work: () => Promise<T>): Promise<T> {
  readers += 1
  if (readers === 1) setFlagsFromString('--heap-growing-percent=300')
  try {
    return await work()
  } finally {
    readers -= 1
    if (readers === 0) setFlagsFromString('--heap-growing-percent=0')
  }
}
