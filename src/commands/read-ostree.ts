// Reads an image that holds an ostree commit without reading all of it: the layers above the commit, the one with its directories, and those with the files that are wanted.

import { decompressLayer, defaultExpansion } from '../edge/decompress.ts'
import { counted, noProgress } from '../edge/progress.ts'
import { toolVersion } from '../edge/surroundings.ts'
import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { layerDescriptions } from '../formats/oci/history.ts'
import { type OstreeChecksum, objectPath, parseObjectPath, repositoryDirectory } from '../formats/ostree/object-name.ts'
import type { ImageSource } from '../image/image-source.ts'
import { ImageTree, type MoreWanted } from '../image/image-tree.ts'
import { layerEntryName } from '../image/layer-entry.ts'
import type { KnownPlaces } from '../image/layer-path.ts'
import { defaultCeilings, type ScannedLayer, type ScanWishes, scanLayer } from '../image/layers.ts'
import { MemoryBudget } from '../image/memory-budget.ts'
import { asObjectLayer, asScannedLayer, entryWishes } from '../image/ostree-entry.ts'
import { type DescribedLayer, likelyLayers } from '../image/ostree-hints.ts'
import { type ObjectLayer, type ObjectWishes, scanObjects } from '../image/ostree-layer.ts'
import { type LayerAt, type OstreeLayout, ostreeLayout } from '../image/ostree-layout.ts'
import { CommitTree, commitLayers, expectShown, type FoundFile, NotProvable } from '../image/ostree-tree.ts'
import { isRpmDatabase, keepsContents } from '../image/places.ts'
import type { SpillRoom } from '../image/spill-room.ts'
import { cachedLayer, keepLayer } from './cached-layers.ts'
import type { ReadImageOptions } from './read-image.ts'

export interface OstreeReader {
  /**
   * Puts all layers into the tree, files of the commit only as far as they are wanted. undefined where that does not add up: nothing is then in the
   * tree. May be called again with wider wishes. Throws as `scanLayer` and `scanObjects`, and OSTREE_COMMIT_INVALID.
   */
  fill(wishes: ScanWishes, tree: ImageTree, room: SpillRoom): Promise<'ostree-commit' | 'cache' | undefined>
}

/** undefined for an image without a commit. Layers of several gzip members are put into `several`. */
export function openOstree(
  image: ImageSource,
  options: ReadImageOptions,
  several = new Set<OciDigest>(),
): OstreeReader | undefined {
  const layout = ostreeLayout(image)
  if (layout === undefined) return undefined
  const reading = new OstreeReading(image, layout, options, several)
  let given = true
  return {
    async fill(wishes, tree, room) {
      if (!given) return undefined
      try {
        for (const layer of await reading.layers(wishes, room)) tree.add(layer)
        return reading.usedCache ? 'cache' : 'ostree-commit'
      } catch (reason) {
        if (!(reason instanceof NotProvable)) throw reason
        given = false
        return undefined
      }
    },
  }
}

class OstreeReading {
  readonly #image: ImageSource
  readonly #layout: OstreeLayout
  readonly #options: ReadImageOptions
  readonly #several: Set<OciDigest>
  readonly #described: readonly DescribedLayer[]
  /** Shared by all layers of the commit; layers above it have the other half. */
  readonly #budget: MemoryBudget
  readonly #found = new Map<OstreeChecksum, FoundFile>()
  /** By index: what is in the layers that were read. */
  readonly #present = new Map<number, ReadonlySet<OstreeChecksum>>()
  /** Whether something came from an earlier run. */
  usedCache = false
  #first: { readonly layer: ObjectLayer; readonly tree: CommitTree } | undefined
  #derived: { readonly asked: string; readonly layers: readonly ScannedLayer[] } | undefined

  constructor(image: ImageSource, layout: OstreeLayout, options: ReadImageOptions, several: Set<OciDigest>) {
    this.#several = several
    this.#image = image
    this.#layout = layout
    this.#options = options
    this.#budget = new MemoryBudget(this.#ceilings.keptBytes / 2)
    const descriptions = layerDescriptions(image.configBytes, image.manifest.layers.length)
    this.#described = layout.base.map(({ descriptor }, index) => ({ descriptor, description: descriptions?.[index] }))
  }

  get #ceilings() {
    return { ...defaultCeilings, ...this.#options.ceilings }
  }

  /** Lowest first. */
  async layers(wishes: ScanWishes, room: SpillRoom): Promise<readonly ScannedLayer[]> {
    const { places } = wishes
    const inRepository = [...places.roots, ...wishes.contents].filter(path => path.startsWith('sysroot'))
    if (places.roots.includes('') || inRepository.some(path => !isKnownThere(path)))
      throw new NotProvable('files of the repository itself are wanted')
    const [first, derived] = await both(this.#readFirst(places, room), this.#readDerived(wishes, room))
    for (const directory of derived.flatMap(({ skeleton }) => [...skeleton.directories()]))
      if (typeof first.tree.at(directory) === 'object')
        // a link, perhaps: ostree writes through it
        throw new NotProvable('a layer has a directory in place of a file of the commit')
    const entries = [...first.tree.entries(places, this.#ceilings.kept)]
    const names = new Map(entries.flatMap(([path, checksum]) => (checksum === null ? [] : [[checksum, path] as const])))
    const asked = [...wishes.contents].flatMap(path => parseObjectPath(path)?.checksum ?? [])
    await this.#find(asked, names, places, room)
    for (;;) {
      const layers = [...commitLayers(first.layer, entries, this.#found), ...derived]
      const wanted = this.#visible(layers, names, places)
      if (wanted.length === 0) return layers
      await this.#find(wanted, names, places, room)
    }
  }

  /** Files of the commit whose bytes are wanted and that no layer above it hides. */
  #visible(
    layers: readonly ScannedLayer[],
    names: ReadonlyMap<OstreeChecksum, string>,
    places: KnownPlaces,
  ): OstreeChecksum[] {
    const wanted: MoreWanted[] = []
    const tree = new ImageTree(layers, places, this.#image.source, new Set(), wanted)
    for (const path of places.roots.flatMap(root => [root, ...tree.leaves(root)])) {
      if (!keepsContents(path) || (this.#options.packages === false && isRpmDatabase(path))) continue
      try {
        tree.read(path)
      } catch (fault) {
        // a link that goes wrong is a fault for those only who ask for it
        if (!(fault instanceof ToolError)) throw fault
      }
    }
    // a layer above the commit may name one too, which it cannot have
    return wanted
      .flatMap(({ contents }) => parseObjectPath(contents ?? '')?.checksum ?? [])
      .filter(checksum => names.has(checksum) && !this.#found.has(checksum))
  }

  async #readFirst(places: KnownPlaces, room: SpillRoom) {
    if (this.#first === undefined) {
      const layer = await this.#readBase(0, { places, files: 'likely' }, room)
      const tree = new CommitTree(layer, this.#layout.commit, this.#image.source)
      expectShown(tree, layer, this.#sourceOf(this.#layout.base[0]))
      this.#first = { layer, tree }
    }
    return this.#first
  }

  async #readDerived(wishes: ScanWishes, room: SpillRoom): Promise<readonly ScannedLayer[]> {
    const contents = [...wishes.contents].filter(path => parseObjectPath(path) === undefined)
    const asked = JSON.stringify([wishes.places.roots, contents])
    if (this.#derived?.asked !== asked) {
      const budget = new MemoryBudget(this.#ceilings.keptBytes / 2)
      const layers: ScannedLayer[] = []
      for (const layer of this.#layout.derived) {
        const { digest } = layer.descriptor
        const scan = () =>
          scanLayer(this.#tar(layer), digest, this.#sourceOf(layer), wishes, this.#ceilings, budget, room)
        layers.push(await this.#cached(layer, { ...wishes, contents: new Set(contents) }, budget, room, scan))
      }
      this.#derived = { asked, layers }
    }
    return this.#derived.layers
  }

  /** Reads layers until all files are there, the likeliest first. Throws NotProvable when no layer has one of them. */
  async #find(
    checksums: readonly OstreeChecksum[],
    names: ReadonlyMap<OstreeChecksum, string>,
    places: KnownPlaces,
    room: SpillRoom,
  ): Promise<void> {
    const tried = new Set<number>()
    const running = new Map<number, Promise<void>>()
    const missing = () => checksums.filter(checksum => names.has(checksum) && !this.#found.has(checksum))
    // for a later run the same layers were read for the same files
    const files = new Set(missing())
    try {
      for (let left = missing(); left.length > 0; left = missing()) {
        for (const checksum of left) {
          const next = this.#order(checksum, names.get(checksum) ?? '').find(index => !tried.has(index))
          if (next === undefined) throw new NotProvable(`no layer has ${objectPath(checksum, 'file')}`)
          if (running.has(next) || running.size >= (this.#options.inFlight ?? 2)) continue
          const read = this.#readBase(next, { places, files }, room).then(layer => {
            const tree = this.#first?.tree
            if (tree !== undefined) expectShown(tree, layer, this.#sourceOf(this.#layerAt(next)))
          })
          running.set(
            next,
            read.finally(() => {
              tried.add(next)
              running.delete(next)
            }),
          )
        }
        await Promise.race(running.values())
      }
    } finally {
      await Promise.allSettled(running.values())
    }
  }

  /** Layers that may have the file; what is in those that were read is known. */
  #order(checksum: OstreeChecksum, path: string): readonly number[] {
    const order = likelyLayers(path, this.#described)
    const known = order.filter(index => this.#present.get(index)?.has(checksum))
    return known.length > 0 ? known : order.filter(index => !this.#present.has(index))
  }

  async #readBase(index: number, wishes: ObjectWishes, room: SpillRoom): Promise<ObjectLayer> {
    const at = this.#layerAt(index)
    const { digest } = at.descriptor
    const read = { ceilings: this.#ceilings, budget: this.#budget, room }
    const scan = async () => asScannedLayer(await scanObjects(this.#tar(at), digest, this.#sourceOf(at), wishes, read))
    const layer = asObjectLayer(await this.#cached(at, entryWishes(wishes), this.#budget, room, scan))
    this.#present.set(index, layer.present)
    for (const [checksum, file] of layer.files)
      if (!this.#found.has(checksum)) this.#found.set(checksum, { layer: digest, file })
    return layer
  }

  /** What an earlier run read of a layer, or what `scan` reads now. */
  async #cached(
    { descriptor, diffId }: LayerAt,
    wishes: ScanWishes,
    budget: MemoryBudget,
    room: SpillRoom,
    scan: () => Promise<ScannedLayer>,
  ): Promise<ScannedLayer> {
    const { cache, progress = noProgress } = this.#options
    const { digest, size } = descriptor
    const name = layerEntryName({ ...wishes, digest, diffId, ceilings: this.#ceilings, toolVersion: toolVersion() })
    const cached = await cachedLayer(cache, name, budget, room, `${this.#image.source}, layer ${digest}`)
    if (cached !== undefined) {
      this.usedCache = true
      progress.start(`layer ${digest}`, size).end('from the cache')
      return cached
    }
    const layer = await scan()
    await keepLayer(cache, name, layer)
    return layer
  }

  #layerAt(index: number): LayerAt {
    const [first, ...others] = this.#layout.base
    return others[index - 1] ?? first
  }

  #tar({ descriptor, diffId }: LayerAt): AsyncIterable<Uint8Array> {
    const { size, digest } = descriptor
    const progress = this.#options.progress ?? noProgress
    const bytes = counted(this.#image.openLayer(descriptor), progress, `layer ${digest}`, size)
    const source = `${this.#image.source}, layer ${digest}`
    const onSeveralMembers = () => this.#several.add(digest)
    return decompressLayer(
      { bytes, size, diffId, source, onSeveralMembers },
      this.#options.ceilings?.expansion ?? defaultExpansion,
    )
  }

  #sourceOf({ descriptor }: LayerAt): string {
    return `${this.#image.source}, layer ${descriptor.digest}`
  }
}

/** All that is known of the repository: objects, and that it is there. */
function isKnownThere(path: string): boolean {
  return path === `${repositoryDirectory}/config` || parseObjectPath(path)?.kind === 'file'
}

/** Both, or the first fault when both have ended. */
async function both<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other])
  return [await one, await other]
}
