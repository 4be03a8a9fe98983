// PCR 8 and 9 in a recorded log: what GRUB and the kernel's EFI stub read, and which of it another image changes.

import { type Bank, banks, digestInBanks, formatDigests, type HexDigests } from '../../formats/bytes/digest.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import type { LoggedEvent } from '../../formats/tcg/event-log.ts'
import type { BootFile } from '../../image/boot-file.ts'
import type { MeasuredEvent, Prediction } from '../prediction.ts'
import { textOf } from './logged-cause.ts'

/** Why a PCR cannot be told, by PCR, and the events whose digests the new files give. */
export interface BootInputs {
  readonly blocked: ReadonlyMap<number, string>
  /** Index of the logged event → its digests with the new files. */
  readonly changed: ReadonlyMap<number, { readonly digests: HexDigests; readonly because: string }>
}

/** Digests of one event, in the banks that its log has. */
export type HexSet = Readonly<Partial<Record<Bank, string>>>

/** True when the two have a bank in common and are equal in all that both have. */
export function sameDigests(one: HexSet, other: HexSet): boolean {
  const common = banks.filter(bank => one[bank] !== undefined && other[bank] !== undefined)
  return common.length > 0 && common.every(bank => one[bank] === other[bank])
}

/** The digests of a logged event as hex. */
export function hexDigests(event: LoggedEvent): HexSet {
  const digests: Partial<Record<Bank, string>> = {}
  for (const bank of banks) {
    const digest = event.digests[bank]
    if (digest !== undefined) digests[bank] = formatHex(digest)
  }
  return digests
}

const nothing: BootInputs['changed'] = new Map()
const refuse = (because: string, pcrs: readonly number[] = [8, 9]): BootInputs => ({
  blocked: new Map(pcrs.map(pcr => [pcr, because])),
  changed: nothing,
})
const asRecorded: BootInputs = { blocked: new Map(), changed: nothing }

/** `grub`: the logged events of GRUB in PCR 8 and 9; `tags`: what the kernel's EFI stub measured; `files`: of the new image. */
export function grubInputs(
  grub: readonly LoggedEvent[],
  tags: readonly LoggedEvent[],
  files: readonly BootFile[],
): BootInputs {
  const [kernelPath] = argumentsOf(grub, /^grub_cmd: linux(?:efi|16)? /)
  const initramfsPaths = argumentsOf(grub, /^grub_cmd: initrd(?:efi|16)? /)
  const kernel = fileOf(files, 'kernel')
  const initramfs = fileOf(files, 'initramfs')
  if (kernelPath === undefined || kernel === undefined)
    return refuse('the log does not tell which file GRUB started as kernel')
  const kernelReads = readsOf(grub, kernelPath)
  const [loggedKernel] = kernelReads
  if (loggedKernel === undefined) return refuse(`the log has no digest of ${kernelPath}`)
  if (!allTheSame(kernelReads)) return refuse(`the log has several contents of ${kernelPath}`)
  const kernelDigests = flat(kernel)
  const sameKernel = sameDigests(hexDigests(loggedKernel), kernelDigests)
  if (!sameKernel && contentAddressed.test(kernelPath))
    return refuse(`the kernel differs from that of the log, and GRUB’s commands hold a checksum of it (${kernelPath})`)
  if (!sameKernel && !namesFit(kernelPath, kernel, 'vmlinuz'))
    return refuse(`GRUB’s commands and settings name ${baseOf(kernelPath)}, and this image’s kernel is ${kernel.path}`)
  if (initramfs === undefined) return refuse('the initramfs is not among the boot files', [9])
  const [initramfsPath, second] = initramfsPaths
  const reads = initramfsPath === undefined ? [] : readsOf(grub, initramfsPath)
  const [logged] = reads
  if (initramfsPath === undefined || logged === undefined || second !== undefined)
    return refuse('the log does not tell which one file was the initramfs', [9])
  if (!allTheSame(reads)) return refuse(`the log has several contents of ${initramfsPath}`, [9])
  const initramfsDigests = flat(initramfs)
  const sameInitramfs = sameDigests(hexDigests(logged), initramfsDigests)
  if (!sameInitramfs && contentAddressed.test(initramfsPath))
    return refuse(`the initramfs differs from that of the log, and GRUB’s commands hold a checksum of it`)
  if (!sameInitramfs && !namesFit(initramfsPath, initramfs, 'init'))
    return refuse(`GRUB’s settings name ${baseOf(initramfsPath)}, and this image’s initramfs is ${initramfs.path}`)
  if (sameKernel && sameInitramfs) return asRecorded
  const readKernel = { digests: kernelDigests, because: `kernel (${kernel.path}), read by GRUB` }
  const readInitramfs = { digests: initramfsDigests, because: `initramfs (${initramfs.path}), read by GRUB` }
  const changed = new Map([
    ...kernelReads.map(({ index }) => [index, readKernel] as const),
    ...reads.map(({ index }) => [index, readInitramfs] as const),
  ])
  const handedOver = tags.filter(tag => textOf(tag) === 'Linux initrd')
  for (const tag of handedOver) {
    if (!sameDigests(hexDigests(tag), hexDigests(logged)) && !sameInitramfs)
      return refuse('GRUB hands over more than the one initramfs', [9])
    if (!sameInitramfs)
      changed.set(tag.index, { digests: initramfsDigests, because: `initramfs (${initramfs.path}), read by Linux` })
  }
  return { blocked: new Map(), changed }
}

/** `sections`: the logged events of PCR 11; `tags`: what the kernel's EFI stub measured into PCR 9. */
export function stubInputs(
  sections: readonly LoggedEvent[],
  tags: readonly LoggedEvent[],
  prediction: Pick<Prediction, 'events'>,
  sameUki: boolean,
): BootInputs {
  if (sameUki || tags.length === 0) return asRecorded
  const own = prediction.events.filter(({ pcr, part }) => pcr === 11 && part !== 'Pcr11EnterInitrd')
  if (own.length !== sections.length)
    return refuse('the stub of this image measures other sections than that of the log', [9])
  const changed = new Map<number, { digests: HexDigests; because: string }>()
  for (const tag of tags) {
    const part = textOf(tag) === 'Linux initrd' ? 'Initrd' : 'Cmdline'
    const logged = sections.findLast(event => textOf(event) === `.${part.toLowerCase()}`)
    const ours = own.find(event => event.part === `Pcr11${part}Content`)
    if (logged === undefined || ours === undefined)
      return refuse(`the log does not tell what ${textOf(tag)} is made of`, [9])
    if (sameDigests(hexDigests(logged), ours.digests)) continue
    if (part === 'Cmdline' || !sameDigests(hexDigests(tag), hexDigests(logged)))
      return refuse(
        `${part === 'Cmdline' ? 'the command line' : 'the initramfs'} differs from that of the log, and the stub changes it before it hands it over`,
        [9],
      )
    changed.set(tag.index, { digests: ours.digests, because: 'initramfs of the UKI, read by Linux' })
  }
  return { blocked: new Map(), changed }
}

/** ostree puts a checksum over kernel and initramfs into the path of both. */
const contentAddressed = /\/ostree\/[^/]+-[0-9a-f]{64}\//

/** Paths that the last such command names, options left out. */
function argumentsOf(events: readonly LoggedEvent[], command: RegExp): string[] {
  const last = events.findLast(event => command.test(textOf(event)))
  if (last === undefined) return []
  return textOf(last)
    .split(' ')
    .slice(2)
    .filter(word => word.includes('/') && !word.includes('='))
}

/** Each time that GRUB read the file: once more for a menu entry that was tried again. */
function readsOf(events: readonly LoggedEvent[], path: string): readonly LoggedEvent[] {
  return events.filter(event => textOf(event) === path)
}

function allTheSame([first, ...others]: readonly LoggedEvent[]): boolean {
  return first === undefined || others.every(event => sameDigests(hexDigests(event), hexDigests(first)))
}

/** True when a file of the image would lie at that path: the same name, or the same release at its end. */
function namesFit(path: string, file: BootFile, stem: string): boolean {
  const base = baseOf(path)
  if (base === baseOf(file.path)) return true
  const release = file.path.match(/(?:^|\/)usr\/lib\/modules\/([^/]+)\//)?.[1]
  return (
    release !== undefined && base.startsWith(stem) && (base.endsWith(`-${release}`) || base.endsWith(`-${release}.img`))
  )
}

const baseOf = (path: string) => path.split('/').at(-1) ?? path
const fileOf = (files: readonly BootFile[], role: BootFile['role']) => files.find(file => file.role === role)
const flat = (file: BootFile): MeasuredEvent['digests'] => formatDigests(digestInBanks(file.bytes))
