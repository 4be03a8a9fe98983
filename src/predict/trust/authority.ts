// What a loader names in PCR 7 as the reason for trusting a file (TCG PC Client Platform Firmware Profile §3.3.4.8).

import type { MeasuredVariable } from '../../formats/efi/variable-event.ts'

export interface Authority {
  /** What EV_EFI_VARIABLE_AUTHORITY hashes and logs: db, vendor_db, MokListRT, MokList or Shim, and the entry that matched. */
  readonly variable: MeasuredVariable
  /** For people: which certificate or hash. */
  readonly because: string
}
