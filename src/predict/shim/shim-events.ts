// What shim measures when it starts, and by which certificates it trusts the files it loads (rhboot/shim mok.c, sbat.c, verify.c).

import { guids } from '../../formats/efi/guid.ts'
import { parseSignatureLists } from '../../formats/efi/signature-list.ts'
import { mokListContents, mokListXContents } from '../../formats/shim/mok-list.ts'
import { compareShimVersions, type ShimVersion } from '../../formats/shim/version.ts'
import type { Boot } from '../boot.ts'
import type { Conditions } from '../conditions.ts'
import { firmwareKeys } from '../firmware-events.ts'
import type { LoadedFile } from '../loaded-file.ts'
import { eventOver, variableEvent } from '../measured.ts'
import { enrolledKeys } from '../platform/enrolled-keys.ts'
import type { MeasuredEvent } from '../prediction.ts'
import type { Authority } from '../trust/authority.ts'
import { refuseDeniedHash, shimAuthorities } from '../trust/shim-authority.ts'
import type { ShimKeys } from '../trust/shim-stores.ts'
import { checkSbat } from './check-sbat.ts'
import { type MeasuredSbatLevel, measuredSbatLevel, shimSbatFacts, tellsOwnLevel } from './sbat-level.ts'
import { type ShimVariable, shimVariables, trustedNote } from './shim-variables.ts'

/** shim in the state that it is in once it has read its variables. */
export interface StartedShim {
  readonly version: ShimVersion
  /** Of PCR 14, and of PCR 7 where a platform is known; in log order. */
  readonly events: readonly MeasuredEvent[]
  /** undefined: no platform is known, and an old shim does not tell its own level. */
  readonly sbatLevel: MeasuredSbatLevel | undefined
  /** undefined: nothing tells the keys of the machine, or shim checks nothing. */
  readonly keys: ShimKeys | undefined
  readonly notes: readonly string[]
}

const nothing = new Uint8Array(0)

/** Throws as `enrolledKeys`, `measuredSbatLevel` and `shimVariables`, and SBAT_REVOKED when shim would refuse itself. */
export function startShim({ file, build }: NonNullable<Boot['shim']>, conditions: Conditions): StartedShim {
  const { platform, state, otherShims } = conditions
  const { version, vendor } = build
  const facts = shimSbatFacts(file.pe, version)
  const tells = platform !== null || tellsOwnLevel(facts)
  const sbatLevel = tells ? measuredSbatLevel(facts, state.variable === 1, platform?.sbatLevel) : undefined
  if (state.firmwareVerifies && sbatLevel !== undefined) checkSbat(file, { version, sbatLevel }, 'own')
  const enrolled =
    platform === null ? { list: nothing, listX: nothing, notes: [] } : enrolledKeys(platform, vendor, otherShims)
  const mok = platform?.mok
  const variables = shimVariables({
    version,
    vendor,
    enrolled,
    sbState: mok?.sbState,
    trusted: mok?.trusted,
    policy: mok?.policy,
    sbatLevel: platform === null ? undefined : sbatLevel,
  })
  const lists = (bytes: Uint8Array, name: string) => parseSignatureLists(bytes, `${file.file.path}, ${name}`)
  return {
    version,
    events: variables.map(variable => startEvent(variable, file)),
    sbatLevel,
    keys:
      platform === null || !state.shimVerifies
        ? undefined
        : {
            ...firmwareKeys(platform),
            version,
            vendor,
            mokList: lists(mokListContents(vendor, enrolled.list), 'MokListRT'),
            mokListX: lists(mokListXContents(vendor, enrolled.listX), 'MokListXRT'),
            ignoreDb: platform.mok.ignoreDb,
          },
    notes: [...enrolled.notes, ...(platform === null ? [] : trustedNote(platform))],
  }
}

function startEvent({ pcr, name, data, because }: ShimVariable, { file }: LoadedFile): MeasuredEvent {
  const part = `Pcr${pcr}${name === 'SBAT' ? 'SbatLevel' : name}`
  const reason = `${name}: ${because} (${file.path})`
  if (pcr === 14) return eventOver(14, 'EV_IPL', part, data, reason)
  return variableEvent('EV_EFI_VARIABLE_AUTHORITY', part, { vendorGuid: guids.shimLock, name, data }, reason)
}

/** The entries by which shim trusts a file, as it measures them; none where it does not check. Throws as `shimAuthorities`. */
export function shimTrust(file: LoadedFile, { keys }: StartedShim): readonly Authority[] {
  return keys === undefined ? [] : shimAuthorities(file, keys)
}

const loadsForOthers = { major: 16, minor: 0 }

/**
 * What shim since 16.0 still looks at when a stub loads the kernel inside of a UKI that shim verified: denied hashes and SBAT generations.
 * Throws DENIED_BY_SHIM and SBAT_REVOKED.
 */
export function checkInnerKernel(kernel: LoadedFile, started: StartedShim): void {
  if (started.keys !== undefined) refuseDeniedHash(kernel, started.keys)
  checkSbat(kernel, started, 'asked')
}

/** Before 16.0 shim does not see what others give the firmware to load. */
export function seesInnerKernel({ version }: StartedShim): boolean {
  return compareShimVersions(version, loadsForOthers) >= 0
}
