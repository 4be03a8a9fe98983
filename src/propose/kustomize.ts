// What a kustomization.yaml may not do to our files, since what it makes of them cannot be seen here: kustomize's reference of the Kustomization file.

import { ToolError } from '../errors.ts'
import type { Settings } from '../settings/settings.ts'
import { below } from './names.ts'
import { isKustomization } from './tree-files.ts'
import { isRecord, lineAt, textAt, valueAt, type YamlFile, type YamlStep } from './yaml-file.ts'

const group = 'machineconfiguration.openshift.io'
const ours = /\bMachineConfig\b|osImageURL/
const remote = /:\/\/|[?&]ref=|^[^/]*@|^\/|^(?:github|gitlab|bitbucket)\.(?:com|org)[/:]/

interface Fault {
  readonly steps: readonly YamlStep[]
  readonly what: string
}

/** Throws LAYOUT_NOT_SUPPORTED with file and line for the first kustomization that would change, or hide changes of, what we write. */
export function checkKustomizations(
  settings: Pick<Settings, 'directory' | 'namespace'>,
  files: readonly YamlFile[],
): void {
  const texts = new Map(files.map(({ path, text }) => [path, text]))
  const places = placesOf(settings.directory, files)
  for (const file of files.filter(one => isKustomization(one.path) && reaches(one, places)))
    for (const [document, { value }] of file.documents.entries()) {
      if (!isRecord(value)) continue
      const [fault] = [
        ...names(value, settings.namespace),
        ...labels(value),
        ...patches(value, directoryOf(file.path), texts),
        ...sources(value, directoryOf(file.path), settings.directory),
      ]
      if (fault !== undefined) throw refusal(file, document, fault)
    }
}

type Value = Readonly<Record<string, unknown>>

/** Directories of what we write, and of MachineConfigs that set the image already. */
function placesOf(directory: string, files: readonly YamlFile[]): string[] {
  const present = files.filter(({ text }) => /osImageURL/.test(text)).map(({ path }) => directoryOf(path))
  return [below(directory, 'machine-config'), below(directory, 'reference-values'), ...present]
}

/** A kustomization above such a place, in it, or that lists it; those of other applications are nobody's business here. */
function reaches(file: YamlFile, places: readonly string[]): boolean {
  const own = directoryOf(file.path)
  const listed = file.documents.flatMap(({ value }) =>
    isRecord(value)
      ? ['resources', 'bases', 'components'].flatMap(key =>
          items(value, key).flatMap(([, entry]) => (typeof entry === 'string' ? (resolve(own, entry) ?? []) : [])),
        )
      : [],
  )
  const isAbove = (upper: string, lower: string) => upper === '' || upper === lower || lower.startsWith(`${upper}/`)
  return places.some(place => isAbove(own, place) || listed.some(one => isAbove(one, place) || isAbove(place, one)))
}

function names(value: Value, namespace: string): Fault[] {
  const other = textAt(value, 'namespace')
  return [
    ...['namePrefix', 'nameSuffix']
      .filter(key => textAt(value, key) !== undefined)
      .map(key => ({ steps: [key], what: `${key} renames what we write` })),
    ...(other === undefined || other === namespace
      ? []
      : [{ steps: ['namespace'], what: `namespace ${other.slice(0, 100)} would replace ${namespace}` }]),
  ]
}

/** Labels and annotations do no harm, but for those by which the MCO finds and judges a MachineConfig. */
function labels(value: Value): Fault[] {
  const maps: [YamlStep[], unknown][] = [
    ...['commonLabels', 'commonAnnotations'].map((key): [YamlStep[], unknown] => [[key], valueAt(value, key)]),
    ...items(value, 'labels').map(([index, one]): [YamlStep[], unknown] => [['labels', index], valueAt(one, 'pairs')]),
  ]
  return maps
    .filter(([, map]) => isRecord(map) && Object.keys(map).some(key => key.startsWith(`${group}/`)))
    .map(([steps]) => ({ steps, what: `a label or annotation of ${group} is set on everything` }))
}

function patches(value: Value, directory: string, texts: ReadonlyMap<string, string>): Fault[] {
  return ['patches', 'patchesStrategicMerge', 'patchesJson6902'].flatMap(key =>
    items(value, key)
      .filter(([, patch]) => {
        const inline = typeof patch === 'string' ? patch : (textAt(patch, 'patch') ?? '')
        const path = typeof patch === 'string' ? patch : textAt(patch, 'path')
        const text = `${inline}\n${path === undefined || path.includes('\n') ? '' : (texts.get(resolve(directory, path) ?? '') ?? '')}`
        return ours.test(text) || targets(valueAt(patch, 'target'))
      })
      .map(([index]) => ({ steps: [key, index], what: 'a patch changes MachineConfigs or osImageURL' })),
  )
}

/** Kinds and groups of a target are patterns for the whole word; one without kind and name means everything. */
function targets(target: unknown): boolean {
  if (!isRecord(target)) return false
  const [kind, inGroup] = [textAt(target, 'kind'), textAt(target, 'group')]
  if (inGroup !== undefined && !matches(inGroup, group)) return false
  return kind === undefined ? textAt(target, 'name') === undefined : matches(kind, 'MachineConfig')
}

/** The pattern comes from outside: only plain words and `.*` are understood, anything else may match. */
function matches(pattern: string, word: string): boolean {
  if (/^[A-Za-z.]+$/.test(pattern)) return pattern === word
  return true
}

function sources(value: Value, directory: string, top: string): Fault[] {
  const charts = ['helmCharts', 'helmChartInflationGenerator']
    .filter(key => items(value, key).length > 0)
    .map((key): Fault => ({ steps: [key], what: 'what a Helm chart makes cannot be seen here' }))
  const leaving = ['resources', 'bases', 'components'].flatMap(key =>
    items(value, key)
      .filter(([, entry]) => typeof entry === 'string' && leaves(entry, directory, top))
      .map(
        ([index, entry]): Fault => ({
          steps: [key, index],
          what: `${String(entry).slice(0, 200)} is not below the directory, so it cannot be seen here`,
        }),
      ),
  )
  return [...charts, ...leaving]
}

function leaves(entry: string, directory: string, top: string): boolean {
  if (remote.test(entry)) return true
  const path = resolve(directory, entry)
  return path === undefined || (top !== '' && path !== top && !path.startsWith(`${top}/`))
}

const directoryOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** A path in the repository for one relative to a directory of it; undefined when it leaves the repository. */
function resolve(directory: string, relative: string): string | undefined {
  const steps = directory === '' ? [] : directory.split('/')
  for (const step of relative.split('/')) {
    if (step === '' || step === '.') continue
    if (step !== '..') steps.push(step)
    else if (steps.pop() === undefined) return undefined
  }
  return steps.join('/')
}

function items(value: Value, key: string): [number, unknown][] {
  const list = valueAt(value, key)
  return Array.isArray(list) ? [...list.entries()] : []
}

function refusal(file: YamlFile, document: number, { steps, what }: Fault): ToolError {
  return new ToolError('LAYOUT_NOT_SUPPORTED', 'a kustomization changes what nobody can see here', {
    found: what,
    wanted: 'a kustomization that only lists files of the directory',
    where: { source: file.path, line: lineAt(file, document, steps) },
    hint: 'take that out of this kustomization, or keep our files in a directory that it does not reach',
  })
}
