// The change key: one sha256 over all that decides the result (interface §4). Same key, same proposal.

import { sha256Hex } from '../formats/bytes/digest.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import type { RepositoryPackage } from '../kernel/kernel-packages.ts'
import type { Settings } from '../settings/settings.ts'
import { canonicalJson } from './canonical-json.ts'

export interface ChangeInputs {
  readonly settings: Settings
  readonly base: OciDigest
  readonly packages: readonly RepositoryPackage[]
  readonly extraPackages: readonly RepositoryPackage[]
  /** As it is built; empty for a base image that is proposed as it is. */
  readonly containerfile: string
  /** An image that something else built and that is proposed instead of a build. */
  readonly image: OciDigest | undefined
}

/** 64 hex digits. Time, tag, tool version, builder, mirrors and the order of lists without order do not count. */
export function changeKey(inputs: ChangeInputs): string {
  const { settings } = inputs
  const decided = {
    version: 1,
    base: inputs.base,
    packages: inputs.packages.map(checksumOf).sort(),
    extraPackages: inputs.extraPackages.map(checksumOf).sort(),
    ...(inputs.image === undefined ? {} : { image: inputs.image }),
    // who asks for signatures from now on must not be told that nothing changed
    ...(settings.allowUnsignedPackages || inputs.packages.length === 0 ? {} : { signedPackages: true }),
    containerfile: sha256Hex(Buffer.from(inputs.containerfile, 'utf8')),
    imageRepository: settings.imageRepository,
    architecture: settings.architecture,
    pools: [...settings.pools].sort(),
    machineConfigName: settings.machineConfigName,
    target: [...settings.target].sort(),
    trusteeShape: settings.trusteeShape ?? null,
    namespace: settings.namespace,
    valueLifetime: settings.target.includes('trustee') ? settings.valueLifetime : null,
    requireCoverage: [...settings.requireCoverage].sort(),
    secureBoot: settings.secureBoot ?? true,
    profiles: [],
    ...(settings.bootChain === undefined ? {} : { bootChain: settings.bootChain }),
    pcrLabel: settings.target.includes('trusted-execution-clusters') ? settings.pcrLabel : null,
  }
  return sha256Hex(Buffer.from(canonicalJson(decided), 'utf8'))
}

const checksumOf = ({ checksumType, checksum }: RepositoryPackage) => `${checksumType}:${checksum}`
