// Which keys a user enrolled: MokListRT and MokListXRT of a profile without the vendor's leading part (interface §2).

import { ToolError } from '../../errors.ts'
import { guids } from '../../formats/efi/guid.ts'
import { formatSignatureLists, parseSignatureLists } from '../../formats/efi/signature-list.ts'
import { dummyList, vendorLists } from '../../formats/shim/mok-list.ts'
import type { VendorCert } from '../../formats/shim/vendor-cert.ts'
import type { Platform } from './platform.ts'
import { sameBytes } from './profile-files.ts'

/** Signature lists of the user alone; empty for none. */
export interface EnrolledKeys {
  /** MokList. */
  readonly list: Uint8Array
  /** MokListX. */
  readonly listX: Uint8Array
  readonly notes: readonly string[]
}

interface Found {
  readonly rest: Uint8Array
  readonly notes: readonly string[]
}

const nothing = new Uint8Array(0)

/**
 * `vendor` is of this image's shim, `otherShims` of every other shim that is known to the run.
 * Throws PLATFORM_INSUFFICIENT when MokListRT begins with the vendor part of no known shim, nor with one certificate
 * that a shim may have put there.
 */
export function enrolledKeys(
  platform: Platform,
  vendor: VendorCert,
  otherShims: readonly VendorCert[] = [],
): EnrolledKeys {
  const list = enrolledIn(platform, vendor, otherShims)
  const listX = deniedIn(platform, vendor, otherShims)
  return { list: list.rest, listX: listX.rest, notes: [...list.notes, ...listX.notes] }
}

function enrolledIn({ name, mok }: Platform, vendor: VendorCert, otherShims: readonly VendorCert[]): Found {
  if (mok.list === undefined)
    return { rest: nothing, notes: [`profile ${name} has no MokListRT: no machine owner key is taken as enrolled`] }
  const whole = contentsOf(mok.list)
  if (whole.length === 0) return { rest: nothing, notes: [] }
  const own = vendorLists(vendor)
  const parts = [own, ...otherShims.map(vendorLists)].filter(part => part.length > 0)
  const part = parts.find(candidate => beginsWith(whole, candidate))
  if (part !== undefined) {
    const longer = parts.find(other => other.length > part.length && beginsWith(whole, other))
    return {
      rest: whole.subarray(part.length),
      notes:
        longer === undefined
          ? []
          : [
              `MokListRT of profile ${name} also begins with the vendor part of another known shim; ` +
                'what that shim has more is taken as enrolled by the user',
            ],
    }
  }
  if (own.length === 0)
    return { rest: whole, notes: [`this shim has no vendor part: all of MokListRT of profile ${name} is the user's`] }
  return withoutFirstCertificate(name, whole)
}

/** No known shim wrote it. mokutil gives the same owner as shim, so never more than the first list is the vendor's. */
function withoutFirstCertificate(name: string, whole: Uint8Array): Found {
  const [first] = parseSignatureLists(whole, 'MokListRT', 'PLATFORM_INVALID')
  const [signature, ...others] = first?.signatures ?? []
  if (
    first?.type !== guids.certX509 ||
    signature === undefined ||
    others.length > 0 ||
    signature.owner !== guids.shimLock
  )
    throw new ToolError('PLATFORM_INSUFFICIENT', 'it is not known which keys of MokListRT the user enrolled', {
      found: `MokListRT of profile ${name} begins with the vendor part of no known shim`,
      wanted: 'the vendor part of this image’s shim or of the shim that ran when the profile was taken',
      where: { source: name, path: 'MokListRT' },
      hint: 'take the profile again on a node that boots a shim of these images',
    })
  const rest = whole.subarray(formatSignatureLists([first]).length)
  return {
    rest,
    notes: [
      `MokListRT of profile ${name} was written by a shim that is not known: its first certificate is taken as that of ` +
        `the vendor${rest.length === 0 ? '' : ', the rest as enrolled by the user'}`,
    ],
  }
}

function deniedIn({ name, mok }: Platform, vendor: VendorCert, otherShims: readonly VendorCert[]): Found {
  const whole = contentsOf(mok.listX ?? nothing)
  if (whole.length === 0) return { rest: nothing, notes: [] }
  const shims = [vendor, ...otherShims]
  const part = shims.map(({ denied }) => denied).find(denied => denied.length > 0 && beginsWith(whole, denied))
  if (part !== undefined) return { rest: whole.subarray(part.length), notes: [] }
  // a build without vendor_dbx fits when it is the one whose certificates MokListRT begins with
  const wrote = (shim: VendorCert) => {
    const lists = vendorLists(shim)
    return lists.length > 0 && beginsWith(contentsOf(mok.list ?? nothing), lists)
  }
  if (shims.some(shim => shim.denied.length === 0 && wrote(shim))) return { rest: whole, notes: [] }
  return {
    rest: nothing,
    notes: [
      `MokListXRT of profile ${name} begins with the vendor_dbx of no known shim: the user's MokListX is taken as empty`,
    ],
  }
}

/** What shim writes for an empty list stands for nothing. */
function contentsOf(variable: Uint8Array): Uint8Array {
  return sameBytes(variable, dummyList()) ? nothing : variable
}

function beginsWith(whole: Uint8Array, part: Uint8Array): boolean {
  return part.length <= whole.length && sameBytes(whole.subarray(0, part.length), part)
}
