// An image that can be read, wherever it is: a registry or an OCI layout. Whoever opens it has checked manifest and config by digest.

import type { ImageConfig } from '../formats/oci/config.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import type { ImageManifest } from '../formats/oci/manifest.ts'

export interface ImageSource {
  /** As people name it: a reference, or `oci:` and a directory. */
  readonly source: string
  /** Of the manifest for one architecture, never of an index. */
  readonly digest: OciDigest
  readonly manifest: ImageManifest
  readonly manifestBytes: Uint8Array
  readonly config: ImageConfig
  readonly configBytes: Uint8Array
  /**
   * The bytes of a layer as they are stored, mostly compressed. Size and digest are checked at the end of the stream, which throws
   * DIGEST_MISMATCH instead of ending: bytes may be trusted only after the last one was read.
   */
  openLayer(layer: Descriptor): AsyncIterable<Uint8Array>
  /**
   * Whether, since this was asked last, bytes of a mirror were read that were wrong or that the reader gave up; `openLayer` leaves that mirror alone
   * from then on, so that reading again may help.
   */
  hasOtherPlace?(): boolean
  /**
   * A part of a layer as it is stored, without any check, perhaps cut; not there where the source cannot give parts. Whoever asks must have a digest
   * for what comes.
   */
  openRange?(layer: Descriptor, offset: number, size: number): AsyncIterable<Uint8Array>
}
