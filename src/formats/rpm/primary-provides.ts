// Who in a repository has a capability: the provides and the files of primary.xml. createrepo_c, src/xml_dump_primary.c.

import { type Dependency, overlap, senses } from './dependency.ts'
import { type Evr, isVersionPart, parseEpoch } from './version.ts'
import { MetadataXml } from './xml.ts'

/** A package of the repository, and one of the asked-for dependencies that it would fulfil. */
export interface Provider {
  readonly name: string
  readonly evr: Evr
  readonly arch: string
  readonly fulfils: Dependency
}

const root = 'metadata/package'
const paths = {
  name: `${root}/name`,
  arch: `${root}/arch`,
  version: `${root}/version`,
  file: `${root}/format/file`,
  provided: `${root}/format/provides/entry`,
} as const
const senseOfFlag = new Map<string | undefined, number>([
  [undefined, 0],
  ['EQ', senses.equal],
  ['LT', senses.less],
  ['LE', senses.less | senses.equal],
  ['GT', senses.greater],
  ['GE', senses.greater | senses.equal],
])
/** People read it in a hint, and nobody signed it: rpm, docs/man/rpm-packagebuild.7, has no other characters. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,255}$/
/** Enough to choose from. */
const maxProviders = 10_000

/**
 * The packages that fulfil one of the plain dependencies, in the order of the file; one item per package and dependency. Of files primary.xml
 * has those in directories of programs and of configuration only. Throws REPOSITORY_INVALID.
 */
export async function* readProviders(
  chunks: AsyncIterable<string> | Iterable<string>,
  wanted: readonly Dependency[],
  source: string,
): AsyncGenerator<Provider> {
  const byName = Map.groupBy(wanted, ({ name }) => name)
  const ready: Provider[] = []
  let count = 0
  let fulfilled = new Set<Dependency>()
  let [name, arch, evr]: [string, string, Evr | undefined] = ['', '', undefined]
  const xml = new MetadataXml(
    {
      wants: new Set([paths.name, paths.arch, paths.file]),
      open(path, attributes) {
        if (path === root) [name, arch, evr, fulfilled] = ['', '', undefined, new Set()]
        else if (path === paths.version) evr = evrOf(attributes())
        else if (path === paths.provided) {
          const provided = providedOf(attributes())
          for (const one of byName.get(provided.name) ?? []) if (overlap(provided, one)) fulfilled.add(one)
        }
      },
      close(path, text) {
        if (path === paths.name) name = text
        else if (path === paths.arch) arch = text
        else if (path === paths.file) for (const one of byName.get(text) ?? []) fulfilled.add(one)
        if (path !== root || evr === undefined || !plainName.test(name)) return
        for (const fulfils of fulfilled) ready.push({ name, evr, arch, fulfils })
      },
    },
    source,
  )
  for await (const chunk of chunks) {
    xml.write(chunk)
    count += ready.length
    if (count > maxProviders) throw xml.error(`more than ${maxProviders} packages that have it`, 'fewer')
    yield* ready.splice(0)
  }
  xml.close()
}

function evrOf({ epoch, ver, rel }: Readonly<Record<string, string>>): Evr | undefined {
  const number = parseEpoch(epoch ?? '0')
  if (number === undefined || ver === undefined || rel === undefined) return undefined
  return isVersionPart(ver) && isVersionPart(rel) ? { epoch: number, version: ver, release: rel } : undefined
}

function providedOf({ name, flags, epoch, ver, rel }: Readonly<Record<string, string>>): Dependency {
  const sense = senseOfFlag.get(flags) ?? 0
  if (name === undefined || sense === 0 || ver === undefined) return { name: name ?? '', sense: 0, version: '' }
  return { name, sense, version: `${epoch ?? '0'}:${ver}${rel === undefined ? '' : `-${rel}`}` }
}
