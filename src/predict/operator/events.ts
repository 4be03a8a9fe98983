// What the trusted-execution-clusters operator combines: its event identifiers, their order and their groups
// (compute-pcrs, lib/src/tpmevents.rs).

import { type EventId, eventIds, type LabelledEvent } from '../output/pcr-label.ts'

/** One event as the operator stores it: as the label org.coreos.pcrs spells it. It does not look at the length of a hash. */
export type OperatorEvent = LabelledEvent
export type OperatorEventId = EventId

/** Parts of a boot that the operator lets change independently of each other. */
export type OperatorGroup = 'linux' | 'boot-loader' | 'secure-boot' | 'mok-variables' | 'uki'

/** Identifier → the groups that an event of it claims. */
const groupsById: Readonly<Record<OperatorEventId, readonly OperatorGroup[]>> = {
  Pcr4EfiCall: [],
  Pcr4Separator: [],
  Pcr4Shim: ['boot-loader'],
  Pcr4Grub: ['boot-loader'],
  Pcr4Vmlinuz: ['linux'],
  Pcr7SecureBoot: ['secure-boot'],
  Pcr7Pk: ['secure-boot'],
  Pcr7Kek: ['secure-boot'],
  Pcr7Db: ['secure-boot'],
  Pcr7Dbx: ['secure-boot'],
  Pcr7Separator: [],
  Pcr7ShimCert: ['secure-boot', 'boot-loader'],
  Pcr7SbatLevel: ['secure-boot', 'boot-loader'],
  Pcr7GrubDbCert: ['secure-boot', 'boot-loader'],
  Pcr7GrubVendorDbCert: ['secure-boot', 'boot-loader'],
  Pcr7GrubMokListCert: ['secure-boot', 'boot-loader', 'mok-variables'],
  Pcr11Linux: ['uki'],
  Pcr11LinuxContent: ['uki'],
  Pcr11Osrel: ['uki'],
  Pcr11OsrelContent: ['uki'],
  Pcr11Cmdline: ['uki'],
  Pcr11CmdlineContent: ['uki'],
  Pcr11Initrd: ['uki'],
  Pcr11InitrdContent: ['uki'],
  Pcr11Uname: ['uki'],
  Pcr11UnameContent: ['uki'],
  Pcr11Sbat: ['uki'],
  Pcr11SbatContent: ['uki'],
  Pcr14MokList: ['mok-variables'],
  Pcr14MokListX: ['mok-variables'],
  Pcr14MokListTrusted: ['mok-variables'],
}

/** In the order in which the operator walks and extends; without its two marks for the ends of a walk, which are no events. */
export const operatorEventIds: readonly OperatorEventId[] = eventIds

export function isOperatorEventId(name: string): name is OperatorEventId {
  return Object.hasOwn(groupsById, name)
}

/** Groups that an event claims when the two images differ in it. */
export function operatorGroups(id: OperatorEventId): readonly OperatorGroup[] {
  return groupsById[id]
}

/** The operator compares names too: another name for the same digest makes two events. */
export function sameOperatorEvent(a: OperatorEvent, b: OperatorEvent): boolean {
  return a.id === b.id && a.pcr === b.pcr && a.hash === b.hash && a.name === b.name
}
