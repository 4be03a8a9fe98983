// Published variables as platform profiles, against the events that others expect of Fedora and RHEL CoreOS.

import { describe, expect, it } from 'vitest'
import { readPlatform } from '../../src/commands/read-platform.ts'
import { sha256Hex } from '../../src/formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../src/formats/bytes/hex.ts'
import { guids } from '../../src/formats/efi/guid.ts'
import { formatSignatureData, parseSignatureLists } from '../../src/formats/efi/signature-list.ts'
import { formatVariableEvent } from '../../src/formats/efi/variable-event.ts'
import { mokListContents } from '../../src/formats/shim/mok-list.ts'
import type { VendorCert } from '../../src/formats/shim/vendor-cert.ts'
import { extendAll } from '../../src/predict/extend.ts'
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

/** From pcr-model §1.4: the entry of Microsoft's UEFI CA 2011 in db, which vouches for the shims of these systems. */
const uefiCa2011 = '4d4a8e2c74133bbdc01a16eaf2dbb5d575afeb36f5d8dfcf609ae043909e2ee9'

/** All events of PCR 7 in order. GRUB is signed under the first certificate that shim has built in. */
function wholePcr7(platform: Platform, { version, automatic }: (typeof systems)[number]) {
  const authority = (vendorGuid: string, name: string, data: Uint8Array) =>
    sha256Hex(formatVariableEvent({ vendorGuid, name, data }))
  const entries = parseSignatureLists(platform.keys.db, 'db').flatMap(({ signatures }) => signatures)
  const inDb = entries.map(entry => authority(guids.imageSecurityDatabase, 'db', formatSignatureData(entry)))
  const vendor = vendorOf(platform)
  const [list] = parseSignatureLists(platform.mok.list ?? none, 'MokListRT')
  const [first] = list?.signatures ?? []
  if (first === undefined) throw new Error('no vendor certificate')
  const grub =
    vendor.allowed.kind === 'lists'
      ? {
          id: 'Pcr7GrubVendorDbCert',
          hash: authority(guids.imageSecurityDatabase, 'vendor_db', formatSignatureData(first)),
        }
      : { id: 'Pcr7GrubMokListCert', hash: authority(guids.shimLock, 'MokListRT', formatSignatureData(first)) }
  const facts = { source: 'shim', version, levels: { automatic, latest: automatic }, compiledIn: [] }
  const { level } = measuredSbatLevel(facts, true, platform.sbatLevel)
  return [
    ...configurationEvents(platform, 1),
    { id: 'Pcr7Separator', hash: sha256Hex(new Uint8Array(4)) },
    { id: 'Pcr7ShimCert', hash: inDb.find(hash => hash === uefiCa2011) ?? 'not in db' },
    {
      id: 'Pcr7SbatLevel',
      hash: authority(guids.shimLock, 'SbatLevel', new Uint8Array(Buffer.from(level, 'latin1'))),
    },
    grub,
  ]
}

function pcr7After(hashes: readonly string[]): string {
  const digests = hashes.map(hash => parseHex(hash) ?? none)
  return formatHex(extendAll('sha256', new Uint8Array(32), digests))
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

  it.each(systems)('$system: PCR 7 with Secure Boot on, with the certificates of db and of shim', async given => {
    const platform = await profileOf(given.variables)
    const own = wholePcr7(platform, given)
    expect(own).toEqual(expectedEvents(given.system, 'pcr7-sb-enabled'))
    const { value }: { value: string } = JSON.parse(shared.text(expectedFolder, given.system, 'pcr7-sb-enabled.json'))
    expect(pcr7After(own.map(({ hash }) => hash))).toBe(value)
  })

  it('PCR 7 of the published log of Fedora CoreOS 42 follows from the variables with the same dbx', async () => {
    const own = wholePcr7(await profileOf('fedora-42', 'rhel-9.6'), systems[0])
    const log = shared.text('public/investigations/fcos-42-qemu-eventlog.yaml')
    const logged = /^pcrs:\n(?:.*\n)*? {4}7 {2}: 0x([0-9a-fA-F]{64})$/m.exec(log)?.[1]?.toLowerCase()
    expect(pcr7After(own.map(({ hash }) => hash))).toBe(logged)
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
