// Published variables as platform profiles, against the events that others expect of Fedora and RHEL CoreOS.

import { describe, expect, it } from 'vitest'
import { readPlatform } from '../../src/commands/read-platform.ts'
import { sha256Hex } from '../../src/formats/bytes/digest.ts'
import { guids } from '../../src/formats/efi/guid.ts'
import { parseSignatureLists } from '../../src/formats/efi/signature-list.ts'
import { formatVariableEvent } from '../../src/formats/efi/variable-event.ts'
import { mokListContents } from '../../src/formats/shim/mok-list.ts'
import type { VendorCert } from '../../src/formats/shim/vendor-cert.ts'
import { enrolledKeys } from '../../src/predict/platform/enrolled-keys.ts'
import type { Platform } from '../../src/predict/platform/platform.ts'
import { secureBootState } from '../../src/predict/platform/secure-boot-state.ts'
import { measuredSbatLevel } from '../../src/predict/shim/sbat-level.ts'
import { shimVariables } from '../../src/predict/shim/shim-variables.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('published platform variables against expected events')

const none = new Uint8Array(0)
const published = 'public/reference-values'
const expectedFolder = 'public/compute-pcrs/qemu-ovmf/fedora-42'

/** The level of each system's shim, by the list in the test data's description and its texts in pcr-model §1.4. */
const of2023 = 'sbat,1,2023012900\nshim,2\ngrub,3\ngrub.debian,4\n'
const of2024 = 'sbat,1,2024040900\nshim,4\ngrub,4\ngrub.peimage,2\n'
const systems = [
  { system: 'fedora-42.20250929.3.0', variables: 'fedora-42', version: { major: 15, minor: 8 }, automatic: of2023 },
  { system: 'fedora-44.20260111.91.1', variables: 'fedora-44', version: { major: 16, minor: 1 }, automatic: of2024 },
  { system: 'rhel-9.6.20250523-0', variables: 'rhel-9.6', version: { major: 15, minor: 8 }, automatic: of2023 },
] as const

const profileOf = (variables: string, efivars = 'fedora-42') =>
  readPlatform([
    shared.path(published, 'efivars/qemu-ovmf', efivars),
    shared.path(published, 'mok-variables', variables),
  ])

function expectedEvents(system: string, file: string): { id: string; hash: string }[] {
  const { events }: { events: { id: string; hash: string }[] } = JSON.parse(
    shared.text(expectedFolder, system, `${file}.json`),
  )
  return events.map(({ id, hash }) => ({ id, hash }))
}

/** A shim that has these keys built in: one certificate of shim itself, or lists of a vendor. */
function vendorOf({ mok }: Platform): VendorCert {
  const bytes = mok.list ?? none
  const [first, ...others] = parseSignatureLists(bytes, 'MokListRT')
  const [signature] = first?.signatures ?? []
  if (others.length > 0 || signature?.owner !== guids.shimLock)
    return { allowed: { kind: 'lists', bytes }, denied: none }
  return { allowed: { kind: 'certificate', certificate: signature.data }, denied: none }
}

function configurationEvents({ keys }: Platform, secureBoot: number) {
  const variable = (vendorGuid: string, name: string, data: Uint8Array) =>
    sha256Hex(formatVariableEvent({ vendorGuid, name, data }))
  return [
    { id: 'Pcr7SecureBoot', hash: variable(guids.globalVariable, 'SecureBoot', Uint8Array.of(secureBoot)) },
    { id: 'Pcr7Pk', hash: variable(guids.globalVariable, 'PK', keys.PK) },
    { id: 'Pcr7Kek', hash: variable(guids.globalVariable, 'KEK', keys.KEK) },
    { id: 'Pcr7Db', hash: variable(guids.imageSecurityDatabase, 'db', keys.db) },
    { id: 'Pcr7Dbx', hash: variable(guids.imageSecurityDatabase, 'dbx', keys.dbx) },
  ]
}

describe.skipIf(shared.missing)('published variables as profiles', () => {
  it.each(systems)('$system: PCR 14, and the events of PCR 7 that need no signature', async given => {
    const { system, version, automatic } = given
    const platform = await profileOf(given.variables)
    const vendor = vendorOf(platform)
    const enrolled = enrolledKeys(platform, vendor)
    expect(enrolled).toEqual({ list: none, listX: none, notes: [] })
    const facts = { source: 'shim', version, levels: { automatic, latest: automatic }, compiledIn: [] }
    const measured = (on: boolean) =>
      shimVariables({
        version,
        vendor,
        enrolled,
        ...platform.mok,
        sbatLevel: measuredSbatLevel(facts, on, platform.sbatLevel),
      })
    const pcr14 = measured(true).filter(({ pcr }) => pcr === 14)
    expect(pcr14.map(({ name, data }) => ({ id: `Pcr14${name}`, hash: sha256Hex(data) }))).toEqual(
      expectedEvents(system, 'pcr14'),
    )
    for (const on of [true, false]) {
      // the file for Secure Boot off was made for a machine without keys
      const keys = on ? platform : await readPlatform([shared.path(published, 'mok-variables', given.variables)])
      const { variable } = secureBootState(keys, on)
      const own = [
        ...configurationEvents(keys, variable),
        ...measured(on)
          .filter(({ pcr }) => pcr === 7)
          .map(({ name, data }) => ({
            id: `Pcr7${name}`,
            hash: sha256Hex(formatVariableEvent({ vendorGuid: guids.shimLock, name, data })),
          })),
      ]
      const expected = expectedEvents(system, on ? 'pcr7-sb-enabled' : 'pcr7-sb-disabled')
      const ids = new Set(own.map(({ id }) => id))
      expect(own).toEqual(expected.filter(({ id }) => ids.has(id)))
      expect(own).toHaveLength(6)
    }
  })

  it.each(shared.names(published, 'mok-variables'))(
    '%s: MokListRT follows from its certificates and their owners',
    async name => {
      const platform = await readPlatform([shared.path(published, 'mok-variables', name)])
      const vendor = vendorOf(platform)
      expect(vendor.allowed.kind).toBe(name === 'rhel-9.6' ? 'lists' : 'certificate')
      expect(mokListContents(vendor, none)).toEqual(platform.mok.list)
      expect(platform.name).toBe(name)
    },
  )

  it.each(shared.names(published, 'efivars/qemu-ovmf'))('%s: keys of the platform are read', async name => {
    const { keys, secureBoot } = await profileOf('centos-9', name)
    const sizes = Object.values(keys).map(key => key?.length ?? null)
    expect(sizes.slice(0, 4).every(size => size !== null && size > 0)).toBe(true)
    expect([sizes[4], secureBoot]).toEqual([null, undefined])
  })

  it('two systems do not make one profile', async () => {
    const directories = ['fedora-42', 'rhel-9.6'].map(name => shared.path(published, 'mok-variables', name))
    await expect(readPlatform(directories)).rejects.toMatchObject({
      code: 'PLATFORM_INVALID',
      message: 'a platform profile has two different contents for MokListRT',
    })
  })
})
