// The YAML files below the directory as far as they are YAML: a template that is none does not stop us unless it could be ours.

import { ToolError } from '../errors.ts'
import { below } from './names.ts'
import { parseYamlFile, type YamlFile } from './yaml-file.ts'

export interface TreeFiles {
  readonly parsed: readonly YamlFile[]
  /** Paths of files that cannot be read and hold nothing that we look for. */
  readonly skipped: readonly string[]
}

/** What no file may hold that is passed over unread. */
const words =
  /MachineConfig|MachineOSConfig|ApprovedImage|osImageURL|rvps-reference-values|argoproj\.io|toolkit\.fluxcd\.io/

export const isKustomization = (path: string): boolean => /(?:^|\/)kustomization\.ya?ml$/.test(path)

/** YAML of GitHub's own folder is no manifest of a cluster. Throws YAML_INVALID for a file that is ours or that speaks of what we write. */
export function parseTree(directory: string, files: ReadonlyMap<string, string>): TreeFiles {
  const parsed: YamlFile[] = []
  const skipped: string[] = []
  for (const [path, text] of files) {
    if (path.startsWith('.github/')) continue
    try {
      parsed.push(parseYamlFile(path, text))
    } catch (error) {
      if (!(error instanceof ToolError) || matters(directory, path, text)) throw error
      skipped.push(path)
    }
  }
  return { parsed, skipped: skipped.sort() }
}

function matters(directory: string, path: string, text: string): boolean {
  const own = ['os-images/', 'reference-values/', 'machine-config/', 'os-image.lock.yaml']
  return own.some(one => path.startsWith(below(directory, one))) || isKustomization(path) || words.test(text)
}
