// updateinfo.xml: advisories of a repository, with the packages and the CVE numbers that they are about. createrepo_c, src/xml_dump_updateinfo.c.

import { type Evr, isVersionPart, parseEpoch } from './version.ts'
import { MetadataXml } from './xml.ts'

/** An advisory, as far as it is about packages with the names asked for. All texts are as the repository has them, and nobody has signed them. */
export interface Advisory {
  /** RHSA-2025:1234, FEDORA-2025-0123456789. */
  readonly id: string
  /** security, bugfix, enhancement, newpackage. */
  readonly type: string
  /** Critical, Important, …; null where there is none. */
  readonly severity: string | null
  readonly title: string
  /** Sorted, each once. */
  readonly cves: readonly string[]
  readonly packages: readonly AdvisedPackage[]
}

export interface AdvisedPackage {
  readonly name: string
  readonly evr: Evr
  readonly arch: string
}

const root = 'updates/update'
const paths = {
  id: `${root}/id`,
  title: `${root}/title`,
  severity: `${root}/severity`,
  reference: `${root}/references/reference`,
  package: `${root}/pkglist/collection/package`,
} as const
const maxAdvisories = 20_000
const maxItems = 20_000
const cvePattern = /^CVE-[0-9]{4}-[0-9]{4,19}$/

interface Current {
  readonly type: string
  readonly texts: Map<string, string>
  readonly cves: Set<string>
  readonly packages: AdvisedPackage[]
}

/**
 * Reads updateinfo.xml piece by piece and gives the advisories about packages with these names, in the order of the file. Throws
 * REPOSITORY_INVALID; what came before the fault may have been given already.
 */
export async function* readUpdateinfo(
  chunks: AsyncIterable<string> | Iterable<string>,
  names: ReadonlySet<string>,
  source: string,
): AsyncGenerator<Advisory> {
  const ready: Advisory[] = []
  let count = 0
  let sawRoot = false
  let current: Current | undefined
  const xml = new MetadataXml(
    {
      wants: new Set([paths.id, paths.title, paths.severity]),
      open(path, attributes) {
        if (path === 'updates') sawRoot = true
        if (path === root) current = { type: attributes().type ?? '', texts: new Map(), cves: new Set(), packages: [] }
        if (current === undefined) return
        if (path === paths.reference) {
          const { type, id = '' } = attributes()
          if (type === 'cve' && cvePattern.test(id)) current.cves.add(id)
        }
        if (path === paths.package) {
          const one = packageOf(attributes())
          if (one !== undefined && names.has(one.name)) current.packages.push(one)
        }
        if (current.cves.size > maxItems || current.packages.length > maxItems)
          throw xml.error('an advisory with very many items', `at most ${maxItems}`)
      },
      close(path, text) {
        if (path === paths.id || path === paths.title || path === paths.severity) current?.texts.set(path, text)
        if (path !== root || current === undefined) return
        if (current.packages.length > 0) ready.push(advisoryOf(current))
        current = undefined
      },
    },
    source,
  )
  for await (const chunk of chunks) {
    xml.write(chunk)
    count += ready.length
    if (count > maxAdvisories) throw xml.error(`more than ${maxAdvisories} advisories about these packages`, 'fewer')
    yield* ready.splice(0)
  }
  xml.close()
  if (!sawRoot) throw xml.error('another root element', 'updates')
}

function packageOf(attributes: Readonly<Record<string, string>>): AdvisedPackage | undefined {
  const { name, arch, version, release } = attributes
  const epoch = parseEpoch(attributes.epoch || '0')
  if (name === undefined || arch === undefined || version === undefined || release === undefined) return undefined
  if (epoch === undefined || !isVersionPart(version) || !isVersionPart(release)) return undefined
  return { name, evr: { epoch, version, release }, arch }
}

function advisoryOf({ type, texts, cves, packages }: Current): Advisory {
  return {
    id: texts.get(paths.id) ?? '',
    type,
    severity: texts.get(paths.severity) || null,
    title: texts.get(paths.title) ?? '',
    cves: [...cves].sort(),
    packages,
  }
}
