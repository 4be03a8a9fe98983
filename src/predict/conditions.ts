// Under which conditions a boot is predicted: the platform, its Secure Boot state, the phase of userspace.

import type { Bank } from '../formats/bytes/digest.ts'
import type { VendorCert } from '../formats/shim/vendor-cert.ts'
import type { Platform } from './platform/platform.ts'
import type { SecureBootState } from './platform/secure-boot-state.ts'

/** Up to which phase PCR 11 counts: systemd extends a word in the initramfs, or nothing has. */
export type Phase = 'enter-initrd' | 'none'

export interface Conditions {
  /** null: nothing is known of the machine; PCR 7 is not predicted. */
  readonly platform: Platform | null
  readonly state: SecureBootState
  readonly phase: Phase
  /** Vendor parts of other shims of this run, to tell enrolled keys from them. */
  readonly otherShims: readonly VendorCert[]
  /** Banks of the values; events carry all banks. */
  readonly banks: readonly Bank[]
}
