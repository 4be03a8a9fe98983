// Names and places in the GitOps repository: interface §3 and §4.

import { sha256Hex } from '../formats/bytes/digest.ts'
import { digestHex, type OciDigest } from '../formats/oci/digest.ts'

/** `osimg-` and the first 32 hex digits: a pod label value, so at most 63 characters. */
export function imageName(digest: OciDigest): string {
  return `osimg-${digestHex(digest).slice(0, 32)}`
}

/** A path in the repository for a path below the cluster's directory ('' is the top). */
export function below(directory: string, path: string): string {
  return directory === '' ? path : `${directory}/${path}`
}

/**
 * `attested-os-update/<slug>/<command>`: the slug of '' is `root`, others keep lower-case letters and digits, and `/` becomes a dash. A directory that
 * another one could be mistaken for gets six digits of its own, so two clusters never share a branch.
 */
export function branchName(directory: string, command: 'update'): string {
  if (directory === '') return `attested-os-update/root/${command}`
  const slug = directory
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  const plain = /^[a-z0-9]+(?:\/[a-z0-9]+)*$/.test(directory) && directory !== 'root'
  const own = plain ? '' : `-${sha256Hex(Buffer.from(directory, 'utf8')).slice(0, 6)}`
  return `attested-os-update/${`${slug}${own}`.replace(/^-/, '')}/${command}`
}
