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
 * `vendor` is of this image's shim, `otherShims` of every other shim that is known to the run. Where the vendor parts of several of them fit, the
 * longest is taken, with a note: interface §2 names an order of comparing, but a part that grew begins with what it was before.
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
  const parts = [own, ...otherShims.map(vendorLists)]
  const part = longestFit(whole, parts)
  if (part !== undefined) return behind(whole, part, parts, `MokListRT of profile ${name}`)
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
  const parts = shims.map(({ denied }) => denied)
  const part = longestFit(whole, parts)
  if (part !== undefined) return behind(whole, part, parts, `MokListXRT of profile ${name}`)
  const enrolled = contentsOf(mok.list ?? nothing)
  const author = longestFit(enrolled, shims.map(vendorLists))
  // a build without vendor_dbx fits when it is the one whose certificates MokListRT begins with, or has none and MokListRT is all the user's
  const wrote = (shim: VendorCert) => {
    const lists = vendorLists(shim)
    return lists.length > 0 ? beginsWith(enrolled, lists) : shim === vendor && author === undefined
  }
  if (shims.some(shim => shim.denied.length === 0 && wrote(shim))) return { rest: whole, notes: [] }
  return {
    rest: nothing,
    notes: [
      `MokListXRT of profile ${name} begins with the vendor_dbx of no known shim: the user's MokListX is taken as empty`,
    ],
  }
}

/** Of parts that are not empty. One vendor's parts grow from build to build, so that a shorter one fits what a later build wrote. */
function longestFit(whole: Uint8Array, parts: readonly Uint8Array[]): Uint8Array | undefined {
  const fitting = parts.filter(part => part.length > 0 && beginsWith(whole, part))
  return fitting.toSorted((a, b) => b.length - a.length)[0]
}

function behind(whole: Uint8Array, part: Uint8Array, parts: readonly Uint8Array[], variable: string): Found {
  const shorter = parts.some(other => other.length > 0 && other.length < part.length && beginsWith(part, other))
  const note = `${variable} begins with the vendor parts of several known shims: the longest is taken as the vendor’s, what follows as the user’s`
  return { rest: whole.subarray(part.length), notes: shorter ? [note] : [] }
}

/** What shim writes for an empty list stands for nothing. */
function contentsOf(variable: Uint8Array): Uint8Array {
  return sameBytes(variable, dummyList()) ? nothing : variable
}

function beginsWith(whole: Uint8Array, part: Uint8Array): boolean {
  return part.length <= whole.length && sameBytes(whole.subarray(0, part.length), part)
}
