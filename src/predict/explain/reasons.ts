// Why the boot of a node differs from a prediction: a closed table of codes with their words.

import { oneLine } from '../table.ts'

/**
 * Words in braces are filled in. The order is the order in which reasons matter: the first that applies anywhere heads the text for
 * people. Codes are part of the interface: they are added, never renamed.
 */
export const reasonTexts = {
  LOG_DOES_NOT_REPLAY:
    'the TPM holds another value than the log replays to, so the log is not complete or not of this boot',
  LOG_INCOMPLETE: 'the log cannot be read to its end, and {event} is not in the part that can be read',
  SEPARATOR_ERROR: 'the firmware reports an error of its own: its separator is {value}',
  SEPARATOR_OTHER: 'this firmware ends its part of the boot with the separator {value}, the prediction with 00000000',
  SECURE_BOOT_OFF_HERE: 'Secure Boot is off here, and the prediction is for Secure Boot on',
  SECURE_BOOT_ON_HERE: 'Secure Boot is on here, and the prediction is for Secure Boot off',
  FIRST_BOOT_FALLBACK:
    'first boot through fallback: {file} of {image} ran to create the boot option, so the next boot has the expected events',
  OTHER_BOOT_OPTION_FIRST: 'the firmware tried another boot option first, or the network: {event}',
  MOK_MANAGER_RAN: 'the MOK manager of {image} ran in this boot ({file}): a request to change keys was pending',
  PROGRAM_OF_NO_KNOWN_IMAGE:
    'a program of no known image ran: {file}, named like {what}; the name alone does not say that it is that',
  OTHER_BOOT_CHAIN: 'this node boots {seen}, and the prediction is for a boot {expected}',
  BOOT_LOADER_OF_OTHER_IMAGE: 'this node {verb} the {role} of {image}{file}: {consequence}',
  SHIM_OF_NO_KNOWN_IMAGE: 'the shim that this node boots ({file}) is of no known image',
  GRUB_OF_NO_KNOWN_IMAGE: 'the GRUB that this node boots ({file}) is of no known image',
  SYSTEMD_BOOT_OF_NO_KNOWN_IMAGE: 'the systemd-boot that this node boots ({file}) is of no known image',
  KERNEL_OF_OTHER_IMAGE: 'this node boots the {role} of {image}{file}',
  KERNEL_CHANGED:
    'the kernel has the size of {file} but other contents: it was changed on the node, or built again after the prediction',
  FILE_CHANGED:
    'the {role} that this node boots has the size of {file} but other contents: it was changed on the node, or built again after the prediction',
  KERNEL_OF_NO_KNOWN_IMAGE: 'the kernel that this node boots ({file}) is of no known image',
  KERNEL_MEASURED_OTHER_TIMES:
    'the kernel is measured {seen} here and {expected} in the prediction: a GRUB that measures in another way, or a boot entry that was tried again',
  PK_CHANGED: 'the platform key (PK) was changed on this node{change}',
  KEK_CHANGED: 'KEK was updated on this node{change}',
  DB_CHANGED: 'db was updated on this node{change}',
  DBX_CHANGED: 'dbx was updated on this node{change}',
  DBT_CHANGED: 'dbt was updated on this node{change}',
  SBAT_LEVEL_HIGHER:
    'SbatLevel is higher ({seen}) than the image sets ({expected}): the node once booted a newer shim, or something else raised it',
  SBAT_LEVEL_LOWER: 'SbatLevel is lower ({seen}) than the prediction has it ({expected}): an older shim set it',
  SBAT_LEVEL_OTHER: 'SbatLevel here is {seen}, which is not the level of the prediction',
  SIGNED_BY_OTHER_CERTIFICATE: 'a boot file was accepted by {seen}; the prediction has {expected}',
  MOK_SB_STATE: 'MokSBState {state} on this node, and the prediction has it otherwise: {consequence}',
  MOK_ENROLLED: 'a machine owner key (MOK) is enrolled on this node that the prediction does not have',
  MOK_MISSING: 'the machine owner key (MOK) of the prediction is not enrolled on this node',
  MOK_LIST_OTHER:
    'MokList differs: the enrolled keys or the vendor certificate of shim are not those of the prediction',
  MOK_LIST_X_OTHER: 'MokListX differs: what is denied on this node is not what the prediction denies',
  MOK_LIST_TRUSTED: 'MokListTrusted {state} on this node, and the prediction has it otherwise',
  MOK_POLICY: 'MokPolicy {state} on this node, and the prediction has it otherwise',
  UKI_SECTION_DIFFERS: 'section {section} of the unified kernel image {difference}',
  PHASE: 'PCR 11 was read {seen}, and the prediction is for {expected}',
  EVENT_MISSING: 'an event of the prediction did not happen on this node: {event}',
  EVENT_EXTRA: 'an event happened on this node that the prediction does not have: {event}',
  UNKNOWN: 'for a reason that is not known: {event}',
} as const satisfies Readonly<Record<string, string>>

export type ReasonCode = keyof typeof reasonTexts

/** Names of the words that a text leaves open. */
type OpenWords<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | OpenWords<Rest>
  : never

export interface Reason {
  readonly code: ReasonCode
  readonly text: string
}

/** A reason in words. Words that come from images and logs lose their control characters. */
export function reason<Code extends ReasonCode>(
  code: Code,
  words: Readonly<Record<OpenWords<(typeof reasonTexts)[Code]>, string>>,
): Reason {
  const filled = new Map<string, string>(Object.entries<string>(words))
  return { code, text: reasonTexts[code].replace(/\{(\w+)\}/g, (_, name: string) => oneLine(filled.get(name) ?? name)) }
}

const order = Object.keys(reasonTexts)

/** Those that matter most first. */
export function byWeight(reasons: readonly Reason[]): Reason[] {
  return [...reasons].sort((a, b) => order.indexOf(a.code) - order.indexOf(b.code))
}
