// Names and places in the GitOps repository: interface §3 and §4.

import { digestHex, type OciDigest } from '../formats/oci/digest.ts'

/** `osimg-` and the first 32 hex digits: a pod label value, so at most 63 characters. */
export function imageName(digest: OciDigest): string {
  return `osimg-${digestHex(digest).slice(0, 32)}`
}

/** A path in the repository for a path below the cluster's directory ('' is the top). */
export function below(directory: string, path: string): string {
  return directory === '' ? path : `${directory}/${path}`
}

/** `attested-os-update/<slug>/<command>`: the slug of '' is `root`, others keep letters and digits, the rest becomes one dash. */
export function branchName(directory: string, command: 'update'): string {
  const slug = directory
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return `attested-os-update/${slug === '' ? 'root' : slug}/${command}`
}
