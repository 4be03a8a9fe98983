// The operating systems for which the operator's job has MOK variables (reference-values, mok-variables/).

/** SHA-256 of the three variables, as PCR 14 holds them. */
export interface OperatorMokVariables {
  readonly MokListRT: string
  readonly MokListXRT: string
  readonly MokListTrustedRT: string
}

/** A deny list without entries of the vendor, and MokListTrusted set: the same on all three systems. */
const withoutOwnEntries = {
  MokListXRT: '8d8a3aae50d5d25838c95c034aadce7b548c9a952eb7925e366eda537c59c3b0',
  MokListTrustedRT: '4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a',
} as const

/**
 * `<ID>-<VERSION_ID>` of os-release → what the operator's job computes into PCR 14, whatever the shim of the image is.
 * Only systems whose set of variables is complete: the job stops where one is missing (reference-values at e296603).
 */
const variablesBySystem: ReadonlyMap<string, OperatorMokVariables> = new Map([
  [
    'fedora-42',
    { MokListRT: 'e8e48e3ad10bc243341b4663c0057aef0ec7894ccc9ecb0598f0830fa57f7220', ...withoutOwnEntries },
  ],
  [
    'fedora-44',
    { MokListRT: 'e8e48e3ad10bc243341b4663c0057aef0ec7894ccc9ecb0598f0830fa57f7220', ...withoutOwnEntries },
  ],
  ['rhel-9.6', { MokListRT: 'c9531063a008ed66ab48b0b1dcd2b9aca25ff47cde33f3cb054ce06965f79449', ...withoutOwnEntries }],
])

export const operatorSystems: readonly string[] = [...variablesBySystem.keys()]

/** The name by which the job looks for the variables. */
export function operatorSystem(os: { readonly id: string | null; readonly versionId: string | null }): string {
  return `${os.id ?? ''}-${os.versionId ?? ''}`
}

/** undefined: the job fails for an image of this system. */
export function operatorMokVariables(system: string): OperatorMokVariables | undefined {
  return variablesBySystem.get(system)
}
