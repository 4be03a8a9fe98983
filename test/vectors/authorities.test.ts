// The authorities that firmware and shim chose in recorded boots: the same entries, byte for byte, from files and keys.

import { describe, expect, it } from 'vitest'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { parseSignatureLists } from '../../src/formats/efi/signature-list.ts'
import { type MeasuredVariable, parseVariableEvent } from '../../src/formats/efi/variable-event.ts'
import { findSection, parsePe } from '../../src/formats/pe/pe.ts'
import { parseVendorCert } from '../../src/formats/shim/vendor-cert.ts'
import { parseShimVersion } from '../../src/formats/shim/version.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import type { BootFileRole } from '../../src/image/boot-file.ts'
import { loadedFile } from '../../src/predict/loaded-file.ts'
import type { Authority } from '../../src/predict/trust/authority.ts'
import { type FirmwareKeys, firmwareAuthority } from '../../src/predict/trust/firmware-authority.ts'
import { sameVariable, shimAuthorities } from '../../src/predict/trust/shim-authority.ts'
import type { ShimKeys } from '../../src/predict/trust/shim-stores.ts'
import { faultOf } from '../build/damage.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('the authorities of PCR 7 against recorded boots')

type Named = readonly [role: BootFileRole, input: string]

interface Boot {
  readonly boot: string
  /** Files that the firmware loads, then those that shim verifies. */
  readonly firmware: readonly Named[]
  readonly shim: readonly Named[]
}

const shim: Named = ['shim', 'shimx64.efi']
const grub: Named = ['grub', 'grubx64.efi']
const kernels: readonly Named[] = [
  ['kernel', 'vmlinuz-6.1.0-50-amd64'],
  ['kernel', 'vmlinuz-6.1.0-56-amd64'],
]

const boots: readonly Boot[] = [
  { boot: 'grub-sb', firmware: [shim], shim: [grub, ...kernels.slice(0, 1)] },
  { boot: 'grub-sb-newkernel', firmware: [shim], shim: [grub, ...kernels.slice(1)] },
  { boot: 'grub-sb-mok', firmware: [shim], shim: [grub, ...kernels.slice(0, 1)] },
  { boot: 'uki-sb', firmware: [['uki', 'uki-252-A.signed.efi']], shim: [] },
  { boot: 'uki257-sb', firmware: [['uki', 'uki-257-A.signed.efi']], shim: [] },
  { boot: 'shim-uki-sb-mok', firmware: [shim], shim: [['uki', 'uki-252-A.signed.efi']] },
  {
    boot: 'sdboot257-uki-sb',
    firmware: [
      ['systemd-boot', 'systemd-bootx64-trixie.signed.efi'],
      ['uki', 'uki-257-B.signed.efi'],
    ],
    shim: [],
  },
]

const load = ([role, input]: Named) =>
  loadedFile({ role, path: input, layer: null, bytes: shared.bytes('inputs', input) })

const imageSecurity = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f'
const shimLock = '605dab50-e046-4300-abb6-3dd810dd8b23'

/** A variable of the recorded machine, without the four attribute bytes. */
const listsOf = (boot: string, name: string, guid: string) => {
  const file = `${name}-${guid}`
  const there = shared.names('boots', boot, 'efivars').includes(file)
  return there ? parseSignatureLists(shared.bytes('boots', boot, 'efivars', file).subarray(4), file) : []
}

const firmwareKeys = (boot: string): FirmwareKeys => ({
  db: listsOf(boot, 'db', imageSecurity),
  dbx: listsOf(boot, 'dbx', imageSecurity),
  source: boot,
})

function shimKeys(boot: string): ShimKeys {
  const pe = parsePe(shared.bytes('inputs', 'shimx64.efi'), 'shimx64.efi')
  const section = (name: string) => findSection(pe, name)?.data ?? new Uint8Array(0)
  return {
    ...firmwareKeys(boot),
    version: parseShimVersion(section('.data.ident'), 'shimx64.efi'),
    vendor: parseVendorCert(section('.vendor_cert'), 'shimx64.efi'),
    mokList: listsOf(boot, 'MokListRT', shimLock),
    mokListX: listsOf(boot, 'MokListXRT', shimLock),
    ignoreDb: false,
  }
}

const once = (authorities: readonly Authority[]) =>
  authorities.filter((one, index) => authorities.findIndex(other => sameVariable(one, other)) === index)

function chosen({ boot, firmware, shim: verified }: Boot): MeasuredVariable[] {
  const byFirmware = firmware.map(named => firmwareAuthority(load(named), firmwareKeys(boot)))
  const byShim = verified.flatMap(named => shimAuthorities(load(named), shimKeys(boot)))
  return [...once(byFirmware), ...once(byShim)].map(({ variable }) => variable)
}

function recorded(boot: string): MeasuredVariable[] {
  return parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
    .events.filter(({ type }) => type === 'EV_EFI_VARIABLE_AUTHORITY')
    .map(({ data }) => parseVariableEvent(data, boot, 'EVENT_LOG_INVALID'))
    .filter(({ name }) => name !== 'SbatLevel' && name !== 'MokSBState')
}

const text = ({ vendorGuid, name, data }: MeasuredVariable) => `${name} ${vendorGuid} ${formatHex(data)}`

describe.skipIf(shared.missing)('authorities of recorded boots', () => {
  it.each(boots)('$boot', boot => {
    const events = recorded(boot.boot)
    expect(events.length).toBeGreaterThan(0)
    expect(chosen(boot).map(text)).toEqual(events.map(text))
  })
})

describe.skipIf(shared.missing)('real files whose signatures verify', () => {
  it.each(shared.names('inputs').filter(name => /^vmlinuz|\.efi$/.test(name)))('%s', input => {
    const { signatures } = load(['kernel', input])
    expect(signatures.length).toBeGreaterThan(0)
    for (const { fault, path } of signatures) {
      expect(fault).toBeUndefined()
      expect(path.length).toBeGreaterThan(0)
    }
  })

  it('the snakeoil key is not in Microsoft’s db, and Debian’s kernel is nothing that firmware starts by itself', () => {
    const uki = load(['uki', 'uki-252-A.signed.efi'])
    const fault = faultOf(() => firmwareAuthority(uki, firmwareKeys('grub-sb')))
    expect(fault.code).toBe('NOT_TRUSTED_BY_FIRMWARE')
    expect(fault.wanted).toContain('CN=Microsoft Corporation UEFI CA 2011')
    const kernel = load(kernels[0] ?? shim)
    expect(faultOf(() => firmwareAuthority(kernel, firmwareKeys('grub-sb'))).found).toContain('Debian')
  })

  it('shim starts neither file: no enrolled key, no vendor key', () => {
    const uki = load(['uki', 'uki-252-A.signed.efi'])
    const fault = faultOf(() => shimAuthorities(uki, shimKeys('grub-sb')))
    expect(fault.code).toBe('NOT_TRUSTED_BY_SHIM')
    expect(fault.wanted).toContain('MokListRT: CN=Debian Secure Boot CA')
  })
})
