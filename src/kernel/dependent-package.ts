// A package with its dependencies, out of its header.

import { dependenciesOf } from '../formats/rpm/dependency.ts'
import { filePaths } from '../formats/rpm/file-list.ts'
import { type HeaderStructure, headerOf } from '../formats/rpm/header.ts'
import type { DependentPackage } from './dependencies.ts'

/** The package of a main header; its file list is read when a path is asked for. Throws RPM_INVALID. */
export function dependentPackage(structure: HeaderStructure): DependentPackage {
  const { name, evr, arch } = headerOf(structure)
  let files: ReadonlySet<string> | undefined
  const owns = (path: string): boolean => {
    files ??= new Set([...filePaths(structure)].map(one => one.path))
    return files.has(path)
  }
  return { name, evr, arch, ...dependenciesOf(structure), owns }
}
