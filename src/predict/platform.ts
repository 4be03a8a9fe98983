// What is known of a machine type before it boots our files: firmware keys, MOK state, SBAT level (interface §2, "platform profile").

import type { Bank } from '../formats/bytes/digest.ts'

/** The firmware's key variables as they are measured, without attribute bytes; empty for one that is not set. */
export interface FirmwareKeyVariables {
  readonly PK: Uint8Array
  readonly KEK: Uint8Array
  readonly db: Uint8Array
  readonly dbx: Uint8Array
  /** undefined: not there, and then not measured. */
  readonly dbt: Uint8Array | undefined
}

/** What shim mirrors to the running system; undefined for a variable that is not there. */
export interface MokVariables {
  /** MokListRT whole: the vendor's part of the shim that ran there, then the enrolled keys. */
  readonly list: Uint8Array | undefined
  /** MokListXRT whole. */
  readonly listX: Uint8Array | undefined
  readonly trusted: Uint8Array | undefined
  readonly sbState: Uint8Array | undefined
  readonly policy: Uint8Array | undefined
  /** shim does not look into db (MokIgnoreDB). */
  readonly ignoreDb: boolean
}

export interface Platform {
  readonly name: string
  /** OCI architecture, where platform.yaml names one. */
  readonly architecture: string | undefined
  /** platform.yaml, else the variable SecureBoot; undefined: nothing says. */
  readonly secureBoot: boolean | undefined
  readonly keys: FirmwareKeyVariables
  readonly mok: MokVariables
  /** The level in NVRAM: platform.yaml, else SbatLevelRT. The text with its last line end. */
  readonly sbatLevel: string | undefined
  readonly grubMeasuresKernel: number | undefined
  readonly measurement: 'tpm' | 'tdx'
  readonly banks: readonly Bank[] | undefined
  readonly quirks: readonly string[]
  /** eventlog.bin of a node of this type. */
  readonly eventLog: Uint8Array | undefined
  /** SHA-256 over names and contents of all files that count, as hex. */
  readonly profileSha256: string
  readonly notes: readonly string[]
}
