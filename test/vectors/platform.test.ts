// Platform profiles of recorded boots and of published variables: what was measured follows from them.

import { describe, expect, it } from 'vitest'
import { readPlatform } from '../../src/commands/read-platform.ts'
import { banks, digestInBanks, sha256Hex } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { guids } from '../../src/formats/efi/guid.ts'
import { formatVariableEvent } from '../../src/formats/efi/variable-event.ts'
import { findSection, parsePe } from '../../src/formats/pe/pe.ts'
import { parseSbat } from '../../src/formats/shim/sbat.ts'
import { parseVendorCert } from '../../src/formats/shim/vendor-cert.ts'
import { parseShimVersion } from '../../src/formats/shim/version.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { enrolledKeys } from '../../src/predict/platform/enrolled-keys.ts'
import type { Platform } from '../../src/predict/platform/platform.ts'
import { secureBootStates } from '../../src/predict/platform/secure-boot-state.ts'
import { measuredSbatLevel, sbatRevokes, shimSbatFacts } from '../../src/predict/shim/sbat-level.ts'
import { shimVariables } from '../../src/predict/shim/shim-variables.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('platform profiles of recorded boots and of published variables')
const boots = shared.names('boots')
const withShim = boots.filter(boot => shared.missing || shared.names('boots', boot).includes('mok-variables'))

const profileOf = (...directories: string[]) => readPlatform(directories.map(directory => shared.path(directory)))
const none = new Uint8Array(0)

function logOf(boot: string) {
  const { events } = parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
  return events.filter(({ typeNumber }) => typeNumber !== 3)
}

/** The firmware's five events, as PCR 7 hashes them. */
function configurationEvents({ keys }: Platform, secureBoot: number) {
  const { globalVariable, imageSecurityDatabase } = guids
  return [
    { vendorGuid: globalVariable, name: 'SecureBoot', data: Uint8Array.of(secureBoot) },
    { vendorGuid: globalVariable, name: 'PK', data: keys.PK },
    { vendorGuid: globalVariable, name: 'KEK', data: keys.KEK },
    { vendorGuid: imageSecurityDatabase, name: 'db', data: keys.db },
    { vendorGuid: imageSecurityDatabase, name: 'dbx', data: keys.dbx },
  ].map(formatVariableEvent)
}

function realShim() {
  const pe = parsePe(shared.bytes('inputs/shimx64.efi'), 'shimx64.efi')
  const section = (name: string) => findSection(pe, name)?.data ?? none
  return {
    pe,
    version: parseShimVersion(section('.data.ident'), 'shim'),
    vendor: parseVendorCert(section('.vendor_cert'), 'shim'),
    rows: parseSbat(section('.sbat'), 'shim', 'SHIM_UNSUPPORTED'),
  }
}

describe.skipIf(shared.missing)('profiles of recorded boots', () => {
  it.each(boots)('%s: the configuration events of PCR 7, in four banks', async boot => {
    const platform = await profileOf(`boots/${boot}/efivars`)
    expect(platform.name).toBe(boot)
    const [state, ...others] = secureBootStates(platform, undefined)
    expect(others).toEqual([])
    const recorded = logOf(boot).filter(({ type }) => type === 'EV_EFI_VARIABLE_DRIVER_CONFIG')
    const predicted = configurationEvents(platform, state?.variable ?? 9)
    expect(predicted.map(formatHex)).toEqual(recorded.map(({ data }) => formatHex(data)))
    for (const bank of banks)
      expect(predicted.map(data => formatHex(digestInBanks(data)[bank]))).toEqual(
        recorded.map(({ digests }) => formatHex(digests[bank] ?? none)),
      )
  })

  it.each(withShim)('%s: what shim measures when it starts, in order', async boot => {
    const platform = await profileOf(`boots/${boot}/efivars`)
    const { pe, version, vendor, rows } = realShim()
    const [state] = secureBootStates(platform, undefined)
    const enrolled = enrolledKeys(platform, vendor)
    expect(enrolled.notes).toEqual([])
    expect(enrolled.list.length > 0).toBe(boot.endsWith('mok'))
    // a fresh machine: the level that this boot left is not there before it
    for (const nvram of [undefined, platform.sbatLevel]) {
      const sbatLevel = measuredSbatLevel(shimSbatFacts(pe, version), state?.firmwareVerifies ?? false, nvram)
      expect(sbatLevel.level).toBe(platform.sbatLevel)
      expect(sbatRevokes(rows, sbatLevel.level)).toBeUndefined()
      const predicted = shimVariables({ version, vendor, enrolled, ...platform.mok, sbatLevel })
      const recorded = logOf(boot).filter(
        ({ pcr, decoded }) =>
          pcr === 14 || (pcr === 7 && decoded?.kind === 'variable' && ['SbatLevel'].includes(decoded.name)),
      )
      expect(predicted.map(({ pcr, name }) => [pcr, name])).toEqual(
        recorded.map(({ pcr, decoded }) => [
          pcr,
          decoded?.kind === 'variable' ? decoded.name : decoded?.kind === 'text' ? decoded.text : '',
        ]),
      )
      expect(
        predicted.map(({ pcr, name, data }) =>
          sha256Hex(pcr === 7 ? formatVariableEvent({ vendorGuid: guids.shimLock, name, data }) : data),
        ),
      ).toEqual(recorded.map(({ digests }) => formatHex(digests.sha256 ?? none)))
    }
  })

  it.each(withShim)('%s: efivars and mok-variables together are one profile, and alike', async boot => {
    const alone = await profileOf(`boots/${boot}/efivars`)
    const both = await profileOf(`boots/${boot}/efivars`, `boots/${boot}/mok-variables`)
    expect(both.profileSha256).toBe(alone.profileSha256)
    expect(both.name).toBe(`${boot}+mok-variables`)
  })

  it('no level that these boots left revokes a file that they started', () => {
    const files = ['shimx64.efi', 'grubx64.efi', 'uki-252-A.signed.efi', 'systemd-bootx64-trixie.signed.efi']
    const levels = ['grub-sb', 'grub-nosb'].map(boot =>
      Buffer.from(shared.bytes('boots', boot, 'mok-variables/SbatLevelRT')).toString('latin1'),
    )
    for (const file of files) {
      const section = findSection(parsePe(shared.bytes('inputs', file), file), '.sbat')
      const rows = parseSbat(section?.data ?? none, file, 'SHIM_UNSUPPORTED')
      expect(rows.length, file).toBeGreaterThan(1)
      for (const level of levels) expect(sbatRevokes(rows, level), file).toBeUndefined()
      const newest = Math.max(...rows.map(({ generation }) => generation))
      const components = new Set(rows.map(({ component }) => component))
      const raised = [...components].map(component => `${component},${newest + 1}\n`).join('')
      expect(sbatRevokes(rows, `sbat,1,2999010100\n${raised}`), file).toEqual(
        rows.find(({ component }) => component !== 'sbat'),
      )
    }
  })
})
