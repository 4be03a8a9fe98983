// What the firmware measures before and while it loads files: PCR 7 policy, boot option, separators, authorities (TCG PFP §3.3.4; edk2 Tcg2Dxe, DxeImageVerificationLib).

import { guids } from '../formats/efi/guid.ts'
import { parseSignatureLists } from '../formats/efi/signature-list.ts'
import type { Conditions } from './conditions.ts'
import type { LoadedFile } from './loaded-file.ts'
import { ascii, eventOver, separatorEvent, variableEvent } from './measured.ts'
import type { Platform } from './platform/platform.ts'
import type { MeasuredEvent } from './prediction.ts'
import type { Authority } from './trust/authority.ts'
import { type FirmwareKeys, firmwareAuthority } from './trust/firmware-authority.ts'

/** Everything up to the separators, in log order. PCR 7 only where a platform gives its keys. */
export function firmwareStartEvents({ platform, state }: Conditions): MeasuredEvent[] {
  return [
    ...(platform === null ? [] : policyEvents(platform, state.variable)),
    eventOver(
      4,
      'EV_EFI_ACTION',
      'Pcr4EfiCall',
      ascii('Calling EFI Application from Boot Option'),
      'the firmware starts the first boot option',
    ),
    separatorEvent(4, 'Pcr4Separator', 'the firmware ends its own part of the boot'),
  ]
}

/** Variables that are not set are measured with size 0; dbt only where there is one. */
function policyEvents({ keys, name }: Platform, secureBoot: 0 | 1): MeasuredEvent[] {
  const config = (part: string, vendorGuid: string, variable: string, data: Uint8Array) => {
    const size = data.length === 0 ? 'not set' : `${data.length} bytes`
    return variableEvent(
      'EV_EFI_VARIABLE_DRIVER_CONFIG',
      part,
      { vendorGuid, name: variable, data },
      variable === 'SecureBoot'
        ? `SecureBoot is ${secureBoot === 1 ? 'on' : 'off'}`
        : `${variable} of ${name}, ${size}`,
    )
  }
  return [
    config('Pcr7SecureBoot', guids.globalVariable, 'SecureBoot', Uint8Array.of(secureBoot)),
    config('Pcr7Pk', guids.globalVariable, 'PK', keys.PK),
    config('Pcr7Kek', guids.globalVariable, 'KEK', keys.KEK),
    config('Pcr7Db', guids.imageSecurityDatabase, 'db', keys.db),
    config('Pcr7Dbx', guids.imageSecurityDatabase, 'dbx', keys.dbx),
    ...(keys.dbt === undefined ? [] : [config('Pcr7Dbt', guids.imageSecurityDatabase, 'dbt', keys.dbt)]),
    separatorEvent(7, 'Pcr7Separator', 'the firmware ends its Secure Boot policy'),
  ]
}

/** The certificate or hash of db by which the firmware trusts a file; undefined where it does not check, or nothing tells its keys. */
export function firmwareTrust(file: LoadedFile, { platform, state }: Conditions): Authority | undefined {
  return platform === null || !state.firmwareVerifies ? undefined : firmwareAuthority(file, firmwareKeys(platform))
}

export function firmwareKeys({ keys, name }: Platform): FirmwareKeys {
  const source = `platform ${name}`
  return {
    db: parseSignatureLists(keys.db, `${source}, db`),
    dbx: parseSignatureLists(keys.dbx, `${source}, dbx`),
    source,
  }
}
