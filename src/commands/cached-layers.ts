// Layers out of the cache and into it, within the memory that an image may take.

import type { LayerCache } from '../edge/layer-cache.ts'
import { decodeLayer, encodeLayer, memoryOfNames } from '../image/layer-entry.ts'
import type { ScannedLayer } from '../image/layers.ts'
import { type MemoryBudget, spareForNames } from '../image/memory-budget.ts'
import { type SpillRoom, spillAbove } from '../image/spill-room.ts'

export async function keepLayer(cache: LayerCache | undefined, name: string, layer: ScannedLayer): Promise<void> {
  const entry = cache === undefined ? undefined : encodeLayer(layer)
  if (entry !== undefined) await cache?.write(name, entry)
}

/** A layer as an earlier run read it, its contents in memory or, as a scan has them, in the room on disk; undefined where it has to be read again. */
export async function cachedLayer(
  cache: LayerCache | undefined,
  name: string,
  budget: MemoryBudget,
  room: SpillRoom,
  source: string,
): Promise<ScannedLayer | undefined> {
  let taken = 0
  const place = (size: number) => {
    if (size > spillAbove || !budget.tryTake(size, spareForNames)) return room.begin(size, source)
    taken += size
    return new Uint8Array(size)
  }
  const layer = await cache?.read(name, entry => decodeLayer(entry, place))
  if (layer === undefined) budget.give(taken)
  else budget.take(memoryOfNames(layer), source)
  return layer
}
