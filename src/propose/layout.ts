// Which GitOps controller reads the directory. This version writes plain manifests only: no waves, no dependsOn, no gate.

import { ToolError } from '../errors.ts'
import { isOfKind, lineOf, type Resource } from './yaml-file.ts'

const controllerKinds: readonly (readonly [group: string, kind: string, controller: string])[] = [
  ['argoproj.io', 'Application', 'Argo CD'],
  ['argoproj.io', 'ApplicationSet', 'Argo CD'],
  ['kustomize.toolkit.fluxcd.io', 'Kustomization', 'Flux'],
]

/** Throws LAYOUT_NOT_SUPPORTED when `layout` is auto and the directory holds objects of Argo CD or Flux. */
export function checkLayout(layout: 'auto' | 'plain', resources: readonly Resource[]): void {
  if (layout === 'plain') return
  for (const resource of resources) {
    const row = controllerKinds.find(([group, kind]) => isOfKind(resource, group, kind))
    if (row !== undefined)
      throw new ToolError('LAYOUT_NOT_SUPPORTED', `the directory holds an object of ${row[2]}`, {
        found: `${row[1]} ${resource.name}`,
        wanted: 'plain manifests, or layout: plain',
        where: { source: resource.file.path, line: lineOf(resource) },
      })
  }
}
