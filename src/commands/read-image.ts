// Reads a whole image: every layer once, in order from the lowest, a few in flight; then boot files, packages and what checks ask for.

import { decompressLayer, defaultExpansion, type ExpansionCeilings } from '../edge/decompress.ts'
import { withGrowingHeap } from '../edge/heap-growth.ts'
import type { LayerCache } from '../edge/layer-cache.ts'
import { hasToc, walkToc } from '../edge/layer-toc.ts'
import { counted, noProgress, type Progress } from '../edge/progress.ts'
import { readRpmDatabase } from '../edge/rpm-database.ts'
import { openSpillRoom } from '../edge/spilled-files.ts'
import { toolVersion } from '../edge/surroundings.ts'
import { ToolError, throwAll } from '../errors.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { findBootFiles } from '../image/boot-files.ts'
import type { BootTree } from '../image/boot-tree.ts'
import { type BootChainWord, filesForChain } from '../image/chain-files.ts'
import { findEfiFiles } from '../image/efi-files.ts'
import type { ImageContents } from '../image/image-contents.ts'
import type { ImageSource } from '../image/image-source.ts'
import { ImageTree, type MoreWanted } from '../image/image-tree.ts'
import { type InstalledPackage, installedPackages } from '../image/installed-packages.ts'
import { layerEntryName } from '../image/layer-entry.ts'
import { KnownPlaces, normalizePath } from '../image/layer-path.ts'
import {
  defaultCeilings,
  type ScanCeilings,
  type ScannedLayer,
  type ScanWishes,
  scanEntries,
  scanLayer,
} from '../image/layers.ts'
import { MemoryBudget } from '../image/memory-budget.ts'
import { keepsContents, knownRoots, modulesDirectory, programPaths, rpmDatabasePaths } from '../image/places.ts'
import type { SpillRoom } from '../image/spill-room.ts'
import type { EntryReader } from '../image/tar-walker.ts'
import { cachedLayer, keepLayer } from './cached-layers.ts'
import { openOstree } from './read-ostree.ts'

export interface ReadImageOptions {
  /** What earlier runs read of layers; undefined: everything is read. */
  readonly cache?: LayerCache | undefined
  /** Keeps the headers of the RPM database, for their dependencies. */
  readonly packageHeaders?: boolean
  /**
   * What an answer must rest on: all layers (default), or, where an image holds an ostree commit and all of it adds up, that commit and the files that
   * it names by checksum; or, where layers have them, tables of contents that nothing binds to the layers that nodes unpack.
   */
  readonly proof?: 'all-layers' | 'ostree' | 'toc'
  /** false: nobody asks for the packages of the image, so its RPM database is not read. */
  readonly packages?: false
  /** The boot chain whose files `bootFiles` holds; undefined: the only one that the image can boot. */
  readonly bootChain?: BootChainWord | undefined
  /** Layers read at the same time; default 2. */
  readonly inFlight?: number
  /** Where layers are told; default nowhere. */
  readonly progress?: Progress
  readonly ceilings?: Partial<ScanCeilings & { readonly expansion: ExpansionCeilings; readonly spilledBytes: number }>
}

/** Bytes of all large files of an image, in a temporary file. */
const spilledCeiling = 4 * 1024 ** 3

/** As `inspectImage`, but throws its `problems`: for callers that need exactly one kernel and one set of boot loaders. */
export async function readImage(image: ImageSource, options: ReadImageOptions = {}): Promise<ImageContents> {
  const contents = await inspectImage(image, options)
  throwAll(contents.problems)
  return contents
}

/**
 * Reads all layers of an image and says what is in it; what would make a prediction wrong stands in `problems`. Layers are read again when a link
 * leads to a place that was not kept. Throws the faults of the source, of layers and of the RPM database.
 */
export async function inspectImage(image: ImageSource, options: ReadImageOptions = {}): Promise<ImageContents> {
  let places = new KnownPlaces(knownRoots)
  const contents = new Set<string>()
  const several = new Set<OciDigest>()
  const byToc = options.proof === 'toc' && image.manifest.layers.some(layer => hasToc(image, layer))
  const byCommit = options.proof === 'ostree' || (options.proof === 'toc' && !byToc)
  const ostree = byCommit ? openOstree(image, options, several) : undefined
  for (let round = 1; round <= mostRounds; round += 1) {
    const wanted: MoreWanted[] = []
    const tree = new ImageTree([], places, image.source, contents, wanted)
    const room = await openSpillRoom(options.ceilings?.spilledBytes ?? spilledCeiling)
    const wishes = { places, contents }
    const read = async () =>
      (await ostree?.fill(wishes, tree, room)) ?? (await scanLayers(image, wishes, tree, room, options, several))
    const proof = await withGrowingHeap(read).catch((fault: unknown) => {
      if (image.hasOtherPlace?.() !== true) throw fault
    })
    if (proof === undefined) continue
    const answer = await describe(image, tree, proof, options, several).catch((fault: unknown) => {
      // while something is wanted, answers and faults are of no worth
      if (wanted.length === 0) throw fault
    })
    if (answer !== undefined && wanted.length === 0) return answer
    places = new KnownPlaces([...places.roots, ...wanted.flatMap(({ place }) => place ?? [])])
    for (const one of wanted) if (one.contents !== undefined) contents.add(one.contents)
  }
  throw new ToolError('LAYER_INVALID', 'links of an image lead on and on through places that hold no boot files', {
    wanted: `at most ${mostRounds - 1} such links, one after another`,
    where: { source: image.source },
  })
}

/** Each round reads all layers and follows one more link out of the known places; real images need one or two. */
const mostRounds = 6

/** Puts the layers into the tree as soon as all below them are there; contents that they hide are then free again. Says where they came from. */
async function scanLayers(
  image: ImageSource,
  wishes: ScanWishes,
  tree: ImageTree,
  room: SpillRoom,
  options: ReadImageOptions,
  several: Set<OciDigest>,
): Promise<ImageContents['proof']> {
  const ceilings = { ...defaultCeilings, ...options.ceilings }
  const budget = new MemoryBudget(ceilings.keptBytes)
  const waiting = new Map<number, ScannedLayer>()
  let next = 0
  let held = 0
  let proof: ImageContents['proof'] = 'all-layers'
  let withToc = false
  const { layers } = image.manifest
  const progress = (options.progress ?? noProgress).plan(
    'layer',
    layers.map(({ size }) => size),
  )
  const scan = async (layer: Descriptor, index: number): Promise<void> => {
    const source = `${image.source}, layer ${layer.digest}`
    const diffId = image.config.diffIds[index]
    const name = layerEntryName({ ...wishes, digest: layer.digest, diffId, ceilings, toolVersion: toolVersion() })
    const cached = await cachedLayer(options.cache, name, budget, room, source)
    if (cached !== undefined) {
      proof = 'cache'
      progress.start(layer.digest, layer.size).end('from the cache')
      waiting.set(index, cached)
    } else if (options.proof === 'toc' && hasToc(image, layer)) {
      withToc = true
      const wants = (path: string) => wishes.contents.has(path) || (wishes.places.knows(path) && keepsContents(path))
      const item = progress.start(layer.digest, layer.size)
      try {
        const walk = (read: EntryReader) =>
          walkToc(image, layer, source, read, { wants: name => wants(normalizePath(name, source)), passed: item.add })
        waiting.set(index, await scanEntries(walk, layer.digest, source, wishes, ceilings, budget, room))
      } finally {
        item.end()
      }
    } else {
      const bytes = counted(image.openLayer(layer), progress, layer.digest, layer.size)
      const onSeveralMembers = () => several.add(layer.digest)
      const compressed = { bytes, size: layer.size, diffId, source, onSeveralMembers }
      const tar = decompressLayer(compressed, options.ceilings?.expansion ?? defaultExpansion)
      const scanned = await scanLayer(tar, layer.digest, source, wishes, ceilings, budget, room)
      // an entry does not say it, and such layers are rare
      if (!several.has(layer.digest)) await keepLayer(options.cache, name, scanned)
      waiting.set(index, scanned)
    }
    for (let ready = waiting.get(next); ready !== undefined; ready = waiting.get(next)) {
      tree.add(ready)
      waiting.delete(next)
      next += 1
      const before = held + ready.contentBytes
      held = tree.contentBytes()
      budget.give(before - held)
    }
  }
  try {
    await inOrder(layers, options.inFlight ?? 2, scan)
  } finally {
    progress.end()
  }
  return withToc ? 'toc' : proof
}

/** Begins items in their order; after the first fault nothing new is begun, and all that was begun has ended. */
async function inOrder<T>(
  items: readonly T[],
  inFlight: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const faults: unknown[] = []
  const queue = items.entries()
  const worker = async () => {
    for (const [index, item] of queue) {
      if (faults.length > 0) return
      try {
        await work(item, index)
      } catch (fault) {
        faults.push(fault)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, inFlight) }, worker))
  if (faults.length > 0) throw faults[0]
}

async function describe(
  image: ImageSource,
  tree: ImageTree,
  proof: ImageContents['proof'],
  options: ReadImageOptions,
  several: ReadonlySet<OciDigest>,
): Promise<ImageContents> {
  const found = findBootFiles(tree, image.source, image.config.architecture)
  const { bootChain, files, kernelRelease, problems } = filesForChain(found, options.bootChain)
  const kernelHmac = hmacOf(tree, kernelRelease)
  return {
    source: image.source,
    digest: image.digest,
    proof,
    diffIds: image.config.diffIds,
    imageLabels: image.config.imageLabels,
    bootChain,
    bootFiles: files,
    found,
    kernelRelease,
    os: found.os,
    packages: options.packages === false ? null : await packagesOf(tree, image.source, options),
    listing: new Set([
      ...tree.leaves(modulesDirectory),
      ...tree.leaves('boot'),
      ...programPaths.filter(path => tree.isThere(path)),
    ]),
    efiFiles: findEfiFiles(tree, image.source),
    kernelHmac,
    hasOstreeRepository: tree.isThere('sysroot/ostree/repo/config'),
    problems: [...problems, ...severalMembers(image.source, several)],
  }
}

/** podman reads all of them, rpm-ostree and bootc the first one: what nodes boot may not be what is in the image. */
function severalMembers(source: string, layers: ReadonlySet<OciDigest>): ToolError[] {
  return [...layers].map(
    digest =>
      new ToolError('LAYER_UNSUPPORTED', 'a layer of several gzip members, of which nodes read the first one only', {
        found: digest,
        wanted: 'one member',
        where: { source, path: digest },
        hint: 'build or compress the image anew: podman, buildah and skopeo write one member',
      }),
  )
}

function hmacOf(tree: BootTree, kernelRelease: string | null): Uint8Array | null {
  if (kernelRelease === null) return null
  return tree.read(`${modulesDirectory}/${kernelRelease}/.vmlinuz.hmac`)?.bytes ?? null
}

async function packagesOf(
  tree: ImageTree,
  source: string,
  { packageHeaders }: ReadImageOptions,
): Promise<readonly InstalledPackage[] | null> {
  const path = rpmDatabasePaths.find(one => tree.kind(one) === 'file')
  const database = path === undefined ? undefined : tree.read(path)
  if (path === undefined || database === undefined) return null
  const writeAheadLog = tree.read(`${database.path}-wal`)?.bytes
  const named = `${source}, ${path}`
  const blobs = await readRpmDatabase({ database: database.bytes, writeAheadLog }, named)
  return installedPackages(blobs, named, packageHeaders)
}
