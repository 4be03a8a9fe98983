// A strict reader of the label org.coreos.pcrs, written from the operator's and compute-pcrs' types (reference_values.rs, pcrs.rs, tpmevents.rs) and not from ours.

import { createHash } from 'node:crypto'

/** TPMEventID, in the order of the enumeration; its first and last member stand for no event. */
const ids =
  `Pcr4EfiCall Pcr4Separator Pcr4Shim Pcr4Grub Pcr4Vmlinuz Pcr7SecureBoot Pcr7Pk Pcr7Kek Pcr7Db Pcr7Dbx Pcr7Separator
  Pcr7ShimCert Pcr7SbatLevel Pcr7GrubDbCert Pcr7GrubVendorDbCert Pcr7GrubMokListCert Pcr11Linux Pcr11LinuxContent Pcr11Osrel
  Pcr11OsrelContent Pcr11Cmdline Pcr11CmdlineContent Pcr11Initrd Pcr11InitrdContent Pcr11Uname Pcr11UnameContent Pcr11Sbat
  Pcr11SbatContent Pcr14MokList Pcr14MokListX Pcr14MokListTrusted`.split(/\s+/)
const names =
  /^(EV_EFI_ACTION|EV_SEPARATOR|EV_EFI_BOOT_SERVICES_APPLICATION|EV_EFI_VARIABLE_DRIVER_CONFIG|EV_EFI_VARIABLE_AUTHORITY|EV_IPL|\.\w+(_CONTENT)?)$/

/** PCR → value, computed from the events as the operator does. Throws an Error for every label that is not exactly right. */
export function readPcrLabel(text: string): Readonly<Record<string, string>> {
  const { pcrs } = fields(JSON.parse(text), ['pcrs'])
  let last = -1
  const values = list(pcrs).map(row => {
    const { id, value, events } = fields(row, ['id', 'value', 'events'])
    let register: Uint8Array = new Uint8Array(32)
    for (const one of list(events)) {
      const event = fields(one, ['name', 'pcr', 'hash', 'id'])
      const place = ids.indexOf(`${event.id}`)
      if (place < 0) throw new Error(`an unknown id: ${event.id}`)
      if (place <= last) throw new Error(`${event.id} stands in the wrong order`)
      last = place
      if (event.pcr !== id || !`${event.id}`.startsWith(`Pcr${id}`)) throw new Error(`${event.id} stands under ${id}`)
      if (!names.test(`${event.name}`)) throw new Error(`an unknown name: ${event.name}`)
      register = createHash('sha256').update(register).update(digest(event.hash)).digest()
    }
    if (digest(value).compare(register) !== 0) throw new Error(`PCR ${id} is not what its events make`)
    return [`${id}`, `${value}`]
  })
  return Object.fromEntries(values)
}

function fields<Name extends string>(value: unknown, wanted: readonly Name[]): Record<Name, unknown> {
  const found = Object.keys(value ?? {})
  if (found.join() !== wanted.join()) throw new Error(`the fields ${found} instead of ${wanted}`)
  return value as Record<Name, unknown>
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error('no list')
  return value
}

function digest(hex: unknown): Buffer {
  if (!/^[0-9a-f]{64}$/.test(`${hex}`)) throw new Error(`no digest in lower-case hex: ${hex}`)
  return Buffer.from(`${hex}`, 'hex')
}
