// Every reason, on recorded boots with something changed.

import { describe, expect, it } from 'vitest'
import { banks } from '../../../src/formats/bytes/digest.ts'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { guids } from '../../../src/formats/efi/guid.ts'
import { certificateList, formatSignatureLists, sha256List } from '../../../src/formats/efi/signature-list.ts'
import { parseVariableEvent } from '../../../src/formats/efi/variable-event.ts'
import { type EventLog, parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import type { Candidate } from '../../../src/predict/explain/candidates.ts'
import { explain, type LogToExplain } from '../../../src/predict/explain/explain.ts'
import { reasonTexts } from '../../../src/predict/explain/reasons.ts'
import { publishedSbatLevels } from '../../../src/predict/explain/sbat.ts'
import { explainTable } from '../../../src/predict/explain/table.ts'
import { extendAll, startValue } from '../../../src/predict/extend.ts'
import type { Platform } from '../../../src/predict/platform/platform.ts'
import { replay } from '../../../src/predict/replay.ts'
import { vendorKeys } from '../../build/boot-files.ts'
import { cuts, faultOf, flips } from '../../build/damage.ts'
import { makeEventLog } from '../../build/event-log.ts'
import {
  again,
  candidateOf,
  changedLog,
  digestsOfText,
  eventTypes,
  hasName,
  imageToLog,
  indexOf,
  inserted,
  recordedBytes,
  recordedLog,
  replaced,
  textToLog,
  variableToLog,
} from '../../build/explained.ts'

const on = recordedLog('grub-sb')
const off = recordedLog('grub-nosb')
const uki = recordedLog('sdboot257-uki-sb')
const predicted = candidateOf(on)
const isFile = (path: string) => (event: EventLog['events'][number]) =>
  event.decoded?.kind === 'image' && event.decoded.filePath === path
const shimAt = indexOf(on, 4, isFile('\\EFI\\BOOT\\BOOTX64.EFI'))
const grubAt = indexOf(on, 4, isFile('\\EFI\\BOOT\\grubx64.efi'))
const kernelAt = grubAt + 20
const separatorAt = indexOf(on, 4, ({ type }) => type === 'EV_SEPARATOR')
const dbxAt = indexOf(on, 7, hasName('dbx'))
const sbatAt = indexOf(on, 7, hasName('SbatLevel'))
const vendorAt = indexOf(on, 7, hasName('MokListRT'))
const mokListAt = indexOf(on, 14, hasName('MokList'))
const trustedAt = indexOf(on, 14, hasName('MokListTrusted'))
const splitText = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const { globalVariable, imageSecurityDatabase, shimLock } = guids
const sbatLevel = (text: string) =>
  variableToLog('authority', { vendorGuid: shimLock, name: 'SbatLevel', data: splitText(text) })
const mokSbState = variableToLog('authority', { vendorGuid: shimLock, name: 'MokSBState', data: Uint8Array.of(1) })
const key = (vendorGuid: string, name: string, data: Uint8Array) =>
  variableToLog('variable', { vendorGuid, name, data })
const certificate = vendorKeys(7).ca.certificate
const certificates = formatSignatureLists([certificateList(shimLock, certificate)])
const ipl = (name: string, contents: string) => textToLog(14, 'ipl', `${name}\0`, contents)

/** The image before: the same shim, another GRUB and kernel. */
const olderLog = changedLog(on, events =>
  events.map(event => {
    if (event.index === grubAt) return imageToLog('\\EFI\\BOOT\\grubx64.efi', 'older grub')
    if (event.pcr === 4 && event.index > grubAt) return imageToLog(null, 'older kernel')
    return again(event)
  }),
)
const older = candidateOf(olderLog, { label: 'registry.example.com/os@old' })

function withKernels(log: EventLog, contents: string, size?: number): EventLog {
  return changedLog(log, events =>
    events.map(event => (event.pcr === 4 && event.index > grubAt ? imageToLog(null, contents, size) : again(event))),
  )
}

function platformWith(changes: {
  readonly dbx?: Uint8Array
  readonly list?: Uint8Array
  readonly level?: string
}): Platform {
  const data = (name: string) => {
    const event = on.events.find(one => one.pcr === 7 && hasName(name)(one))
    return event === undefined ? new Uint8Array(0) : parseVariableEvent(event.data, name, 'INPUT_INVALID').data
  }
  return {
    name: 'vm',
    architecture: undefined,
    secureBoot: true,
    keys: { PK: data('PK'), KEK: data('KEK'), db: data('db'), dbx: changes.dbx ?? data('dbx'), dbt: undefined },
    mok: {
      list: changes.list,
      listX: undefined,
      trusted: undefined,
      sbState: undefined,
      policy: undefined,
      ignoreDb: false,
    },
    sbatLevel: changes.level,
    grubMeasuresKernel: undefined,
    measurement: 'tpm',
    banks: undefined,
    quirks: [],
    eventLog: undefined,
    profileSha256: '00'.repeat(32),
    notes: [],
  }
}

interface Case {
  readonly name: string
  readonly code: keyof typeof reasonTexts
  readonly pcr: number
  readonly log: EventLog
  readonly candidates?: readonly Candidate[]
  readonly more?: Partial<LogToExplain>
  readonly text?: RegExp
  /** Index that the first difference has; left out: not asked. */
  readonly index?: number | null
}

const ukiFiles = ['SystemdBoot', 'Uki']
const ukiPredicted = candidateOf(uki, { pcrs: [4, 11], files: ukiFiles, bootFiles: [] })
const cmdlineAt = indexOf(uki, 11, hasName('.cmdline'))
const phaseEvents = (...words: readonly string[]) => words.map(word => textToLog(11, 'ipl', word))
const withPhases = (log: EventLog, ...words: readonly string[]) =>
  changedLog(log, events => [...events.map(again), ...phaseEvents(...words)])
const initrdPredicted = candidateOf(withPhases(uki, 'enter-initrd'), { pcrs: [4, 11], files: ukiFiles })
const bankAfter = (log: EventLog, pcr: number, ...words: readonly string[]) => {
  const digests = log.events.filter(event => event.pcr === pcr).flatMap(event => event.digests.sha256 ?? [])
  const value = extendAll('sha256', startValue('sha256', pcr), [
    ...digests,
    ...words.map(word => digestsOfText(word).sha256),
  ])
  return { [`${pcr}`]: { sha256: formatHex(value) } }
}
const mokCandidate = candidateOf(replaced(on, mokListAt, ipl('MokList', 'vendor and key')), { platform: 'vm' })

const program = (role: 'fallback' | 'mok-manager', path: string, contents: string) => ({
  ...{ role, path },
  digests: { sha256: formatHex(digestsOfText(contents).sha256) },
})
const withPrograms = {
  ...predicted,
  programs: [
    program('fallback', 'usr/lib/fbx64.efi', 'fallback'),
    program('mok-manager', 'usr/lib/mmx64.efi', 'mok manager'),
  ],
}

const cases: readonly Case[] = [
  {
    name: 'a unified kernel image where shim and GRUB are predicted',
    code: 'OTHER_BOOT_CHAIN',
    pcr: 4,
    log: uki,
    text: /^this node boots by a unified kernel image without shim, and the prediction is for a boot by shim and GRUB$/,
  },
  {
    name: 'no MokList, since another chain booted',
    code: 'OTHER_BOOT_CHAIN',
    pcr: 14,
    log: uki,
  },
  {
    name: 'shim and GRUB where a unified kernel image is predicted',
    code: 'OTHER_BOOT_CHAIN',
    pcr: 4,
    log: on,
    candidates: [ukiPredicted],
    text: /^this node boots by shim and GRUB, and the prediction is for a boot by systemd-boot and a unified kernel image without shim$/,
  },
  {
    name: 'no sections, since another chain booted',
    code: 'OTHER_BOOT_CHAIN',
    pcr: 11,
    log: on,
    candidates: [ukiPredicted],
  },
  {
    name: 'the GRUB of an older image with the kernel of the newer one',
    code: 'BOOT_LOADER_OF_OTHER_IMAGE',
    pcr: 4,
    log: replaced(on, grubAt, imageToLog('\\EFI\\BOOT\\grubx64.efi', 'older grub')),
    candidates: [older, predicted],
    text: /^this node still boots the GRUB of registry\.example\.com\/os@old \(usr\/.*\/grubx64\.efi\): boot loader not updated yet$/,
    index: grubAt,
  },
  {
    name: 'the GRUB of a newer image with the kernel of the older one',
    code: 'BOOT_LOADER_OF_OTHER_IMAGE',
    pcr: 4,
    log: replaced(on, grubAt, imageToLog('\\EFI\\BOOT\\grubx64.efi', 'older grub')),
    candidates: [predicted, older],
    text: /^this node boots the GRUB of .*@old .*newer than the kernel$/,
  },
  {
    name: 'a mix among the candidates is told by its kernel',
    code: 'BOOT_LOADER_OF_OTHER_IMAGE',
    pcr: 4,
    log: replaced(on, grubAt, imageToLog('\\EFI\\BOOT\\grubx64.efi', 'older grub')),
    candidates: [
      older,
      predicted,
      candidateOf(replaced(on, grubAt, imageToLog(null, 'older grub')), {
        label: 'boot loader of old, kernel of new',
        mix: { bootLoader: older.label, kernel: predicted.label },
      }),
    ],
    text: /still boots the GRUB of registry\.example\.com\/os@old/,
  },
  {
    name: 'the shim of another image, by its vendor certificate',
    code: 'BOOT_LOADER_OF_OTHER_IMAGE',
    pcr: 14,
    log: changedLog(on, events =>
      events.map(event => {
        if (event.index === shimAt) return imageToLog('\\EFI\\BOOT\\BOOTX64.EFI', 'older shim')
        return event.index === mokListAt ? ipl('MokList', 'older vendor') : again(event)
      }),
    ),
    candidates: [
      candidateOf(
        replaced(replaced(olderLog, shimAt, imageToLog(null, 'older shim')), mokListAt, ipl('MokList', 'older vendor')),
        { label: 'old' },
      ),
      predicted,
    ],
    text: /^this node still boots the shim of old: MokList begins with/,
  },
  {
    name: 'the kernel of a retired image',
    code: 'KERNEL_OF_OTHER_IMAGE',
    pcr: 4,
    log: withKernels(on, 'older kernel'),
    candidates: [{ ...older, retired: true }, predicted],
    text: /^this node boots the kernel of registry\.example\.com\/os@old \(usr\/.*\/vmlinuz\)$/,
  },
  {
    name: 'the sections of a retired image',
    code: 'KERNEL_OF_OTHER_IMAGE',
    pcr: 11,
    log: uki,
    candidates: [
      candidateOf(uki, { label: 'old', pcrs: [4, 11], files: ukiFiles, retired: true }),
      candidateOf(
        changedLog(uki, events =>
          events.map(event => {
            if (event.pcr === 11) return textToLog(11, 'ipl', '.linux', `new ${event.index}`)
            return isFile('\\EFI\\Linux\\debian-6.1.0-56-amd64.efi')(event) ? imageToLog(null, 'new') : again(event)
          }),
        ),
        { pcrs: [4, 11], files: ukiFiles },
      ),
    ],
    text: /^this node boots the unified kernel image of old$/,
  },
  {
    name: 'a kernel that nobody knows',
    code: 'KERNEL_OF_NO_KNOWN_IMAGE',
    pcr: 4,
    log: withKernels(on, 'nobody knows'),
    candidates: [older, predicted],
    text: /names no file; predicted: usr\/lib\/modules\/6\.1\.0-50-amd64\/vmlinuz/,
    index: kernelAt,
  },
  {
    name: 'a kernel of the same size',
    code: 'KERNEL_CHANGED',
    pcr: 4,
    log: withKernels(on, 'changed', 8222656),
    text: /size of usr\/lib\/modules\/6\.1\.0-50-amd64\/vmlinuz but other contents/,
  },
  {
    name: 'a GRUB of the same size',
    code: 'FILE_CHANGED',
    pcr: 4,
    log: replaced(on, grubAt, imageToLog('\\EFI\\BOOT\\grubx64.efi', 'changed', 4183488)),
    text: /^the GRUB that this node boots has the size of usr\/.*grubx64\.efi but other contents/,
  },
  {
    name: 'a shim that nobody knows',
    code: 'SHIM_OF_NO_KNOWN_IMAGE',
    pcr: 4,
    log: replaced(on, shimAt, imageToLog('\\EFI\\fedora\\shimx64.efi', 'nobody knows')),
    text: /\(\\EFI\\fedora\\shimx64\.efi\)/,
    index: shimAt,
  },
  {
    name: 'a GRUB that nobody knows',
    code: 'GRUB_OF_NO_KNOWN_IMAGE',
    pcr: 4,
    log: replaced(on, grubAt, imageToLog('\\EFI\\fedora\\grubx64.efi', 'nobody knows')),
    text: /\\EFI\\fedora\\grubx64\.efi/,
  },
  {
    name: 'a systemd-boot that nobody knows',
    code: 'SYSTEMD_BOOT_OF_NO_KNOWN_IMAGE',
    pcr: 4,
    log: replaced(
      uki,
      indexOf(uki, 4, isFile('\\EFI\\BOOT\\BOOTX64.EFI')),
      imageToLog('\\EFI\\BOOT\\BOOTX64.EFI', 'x'),
    ),
    candidates: [ukiPredicted],
    text: /BOOTX64/,
  },
  {
    name: 'a kernel measured once instead of twice',
    code: 'KERNEL_MEASURED_OTHER_TIMES',
    pcr: 4,
    log: replaced(on, kernelAt),
    text: /measured once here and 2 times/,
    index: null,
  },
  {
    name: 'a kernel measured three times',
    code: 'KERNEL_MEASURED_OTHER_TIMES',
    pcr: 4,
    log: changedLog(on, events =>
      events.flatMap(event => (event.index === kernelAt ? [again(event), again(event)] : [again(event)])),
    ),
    text: /measured 3 times here and 2 times/,
  },
  {
    name: 'Secure Boot is off: its variable',
    code: 'SECURE_BOOT_OFF_HERE',
    pcr: 7,
    log: off,
    index: indexOf(off, 7, hasName('SecureBoot')),
  },
  { name: 'Secure Boot is off: no kernel in PCR 4', code: 'SECURE_BOOT_OFF_HERE', pcr: 4, log: off, index: null },
  {
    name: 'Secure Boot is on: its variable',
    code: 'SECURE_BOOT_ON_HERE',
    pcr: 7,
    log: on,
    candidates: [candidateOf(off, { secureBoot: false })],
  },
  {
    name: 'Secure Boot is on: a kernel in PCR 4',
    code: 'SECURE_BOOT_ON_HERE',
    pcr: 4,
    log: on,
    candidates: [candidateOf(off, { secureBoot: false })],
  },
  {
    name: 'fallback on first boot',
    code: 'FIRST_BOOT_FALLBACK',
    pcr: 4,
    log: replaced(on, grubAt, imageToLog('\\EFI\\BOOT\\fbx64.efi', 'fallback')),
    candidates: [withPrograms],
    text: /usr\/lib\/fbx64\.efi of registry\.example\.com\/os@new ran to create/,
  },
  {
    name: 'the MOK manager',
    code: 'MOK_MANAGER_RAN',
    pcr: 4,
    log: inserted(on, grubAt, imageToLog('\\EFI\\fedora\\mmx64.efi', 'mok manager')),
    candidates: [withPrograms],
  },
  {
    name: 'an unknown program that is named like fallback',
    code: 'PROGRAM_OF_NO_KNOWN_IMAGE',
    pcr: 4,
    log: replaced(on, grubAt, imageToLog('\\EFI\\BOOT\\fbx64.efi', 'evil')),
    candidates: [withPrograms],
    text: /^a program of no known image ran: \\EFI\\BOOT\\fbx64\.efi, named like the fallback of shim/,
  },
  {
    name: 'an unknown program that is named like the MOK manager',
    code: 'PROGRAM_OF_NO_KNOWN_IMAGE',
    pcr: 4,
    log: inserted(on, grubAt, imageToLog('\\EFI\\fedora\\mmx64.efi', 'evil')),
    text: /named like the MOK manager/,
  },
  {
    name: 'revocations on the ESP',
    code: 'PROGRAM_OF_NO_KNOWN_IMAGE',
    pcr: 4,
    log: inserted(on, grubAt, imageToLog('\\EFI\\fedora\\revocations_sbat.efi', 'revocations')),
    text: /revocations_sbat\.efi, named like an extension of shim/,
  },
  {
    name: 'another boot option that came back',
    code: 'OTHER_BOOT_OPTION_FIRST',
    pcr: 4,
    log: inserted(
      on,
      shimAt,
      textToLog(4, 'action', 'Returning from EFI Application from Boot Option'),
      textToLog(4, 'action', 'Calling EFI Application from Boot Option'),
    ),
    text: /Returning from EFI Application/,
    index: shimAt,
  },
  {
    name: 'a network boot that was tried, started a program and came back',
    code: 'OTHER_BOOT_OPTION_FIRST',
    pcr: 4,
    log: inserted(
      on,
      shimAt,
      imageToLog(null, 'network boot'),
      textToLog(4, 'action', 'Returning from EFI Application from Boot Option'),
      textToLog(4, 'action', 'Calling EFI Application from Boot Option'),
    ),
    text: /EV_EFI_BOOT_SERVICES_APPLICATION$/,
    index: shimAt,
  },
  {
    name: 'an action that newer firmware measures',
    code: 'EVENT_EXTRA',
    pcr: 4,
    log: inserted(on, shimAt, textToLog(4, 'action', 'Booting to Boot0001 Option')),
    text: /Booting to Boot0001/,
  },
  {
    name: 'an error separator',
    code: 'SEPARATOR_ERROR',
    pcr: 4,
    log: replaced(on, separatorAt, { pcr: 4, type: eventTypes.separator, data: Uint8Array.of(1, 0, 0, 0) }),
    text: /01000000/,
  },
  {
    name: 'the other separator that firmware may use',
    code: 'SEPARATOR_OTHER',
    pcr: 4,
    log: replaced(on, separatorAt, { pcr: 4, type: eventTypes.separator, data: new Uint8Array(4).fill(0xff) }),
  },
  {
    name: 'a log that ends early',
    code: 'LOG_INCOMPLETE',
    pcr: 14,
    log: parseEventLog(recordedBytes('grub-sb').subarray(0, (on.events[trustedAt]?.offset ?? 0) + 9), 'cut'),
    text: /Pcr14MokListTrusted/,
  },
  {
    name: 'an action that the firmware does not measure',
    code: 'EVENT_MISSING',
    pcr: 4,
    log: replaced(
      on,
      indexOf(on, 4, ({ type }) => type === 'EV_EFI_ACTION'),
    ),
    text: /Pcr4EfiCall/,
  },
  {
    name: 'a program before shim',
    code: 'EVENT_EXTRA',
    pcr: 4,
    log: inserted(on, shimAt, imageToLog('\\EFI\\vendor\\agent.efi', 'agent')),
    text: /agent\.efi/,
  },
  {
    name: 'another variable in PCR 7',
    code: 'EVENT_EXTRA',
    pcr: 7,
    log: inserted(on, dbxAt + 1, key(globalVariable, 'DeployedMode', Uint8Array.of(0))),
    text: /DeployedMode/,
  },
  {
    name: 'an event that nobody understands',
    code: 'UNKNOWN',
    pcr: 4,
    log: replaced(on, shimAt, { pcr: 4, type: 0x90000001, data: splitText('\u0007odd') }),
    text: /0x90000001/,
  },
  {
    name: 'another platform key',
    code: 'PK_CHANGED',
    pcr: 7,
    log: replaced(on, dbxAt - 3, key(globalVariable, 'PK', certificates)),
  },
  {
    name: 'no platform key',
    code: 'PK_CHANGED',
    pcr: 7,
    log: replaced(on, dbxAt - 3, key(globalVariable, 'PK', new Uint8Array(0))),
    text: /not set here$/,
  },
  {
    name: 'another KEK',
    code: 'KEK_CHANGED',
    pcr: 7,
    log: replaced(on, dbxAt - 2, key(globalVariable, 'KEK', certificates)),
  },
  {
    name: 'another db, compared with the profile',
    code: 'DB_CHANGED',
    pcr: 7,
    log: replaced(on, dbxAt - 1, key(imageSecurityDatabase, 'db', certificates)),
    candidates: [candidateOf(on, { platform: 'vm' })],
    more: { platforms: [platformWith({})] },
    text: /1 entry more \(CN=Synthetic Vendor CA 7\), 2 entries less \(CN=.*Microsoft.*\) than in the profile$/,
  },
  {
    name: 'another dbx',
    code: 'DBX_CHANGED',
    pcr: 7,
    log: replaced(on, dbxAt, key(imageSecurityDatabase, 'dbx', certificates)),
    text: /^dbx was updated on this node$/,
    index: dbxAt,
  },
  {
    name: 'another dbx, compared with the profile',
    code: 'DBX_CHANGED',
    pcr: 7,
    log: replaced(
      on,
      dbxAt,
      key(
        imageSecurityDatabase,
        'dbx',
        formatSignatureLists([
          sha256List(shimLock, digestsOfText('a').sha256),
          sha256List(shimLock, digestsOfText('b').sha256),
        ]),
      ),
    ),
    candidates: [candidateOf(on, { platform: 'vm' })],
    more: { platforms: [platformWith({})] },
    text: /^dbx was updated on this node: 2 entries more, 1 entry less than in the profile$/,
  },
  {
    name: 'dbt where none is predicted',
    code: 'DBT_CHANGED',
    pcr: 7,
    log: inserted(on, dbxAt + 1, key(imageSecurityDatabase, 'dbt', certificates)),
  },
  {
    name: 'no dbt where one is predicted',
    code: 'DBT_CHANGED',
    pcr: 7,
    log: on,
    candidates: [candidateOf(inserted(on, dbxAt + 1, key(imageSecurityDatabase, 'dbt', certificates)))],
    text: /not set here/,
  },
  {
    name: 'a higher SBAT level',
    code: 'SBAT_LEVEL_HIGHER',
    pcr: 7,
    log: replaced(on, sbatAt, sbatLevel('sbat,1,2031010100\nshim,9\n')),
    text: /2031010100.*2025021800.*once booted a newer shim/,
  },
  {
    name: 'a lower SBAT level',
    code: 'SBAT_LEVEL_LOWER',
    pcr: 7,
    log: replaced(on, sbatAt, sbatLevel('sbat,1,2022052400\ngrub,2\n')),
    text: /2022052400.*2025021800/,
  },
  {
    name: 'the SBAT level of shim 15.3',
    code: 'SBAT_LEVEL_LOWER',
    pcr: 7,
    log: replaced(
      on,
      sbatAt,
      variableToLog('authority', { vendorGuid: shimLock, name: 'SBAT', data: splitText('sbat,1,2021030218\n') }),
    ),
    text: /2021030218.*2025021800/,
  },
  {
    name: 'an SBAT level against one that only the profile tells',
    code: 'SBAT_LEVEL_LOWER',
    pcr: 7,
    log: on,
    candidates: [candidateOf(replaced(on, sbatAt, sbatLevel('sbat,1,2031010100\nshim,9\n')), { platform: 'vm' })],
    more: { platforms: [platformWith({ level: 'sbat,1,2031010100\nshim,9\n' })] },
  },
  {
    name: 'an SBAT level against one that nobody tells',
    code: 'SBAT_LEVEL_OTHER',
    pcr: 7,
    log: on,
    candidates: [candidateOf(replaced(on, sbatAt, sbatLevel('sbat,1,2031010100\nshim,9\n')))],
    text: /2025021800/,
  },
  {
    name: 'a file signed by another certificate',
    code: 'SIGNED_BY_OTHER_CERTIFICATE',
    pcr: 7,
    log: replaced(
      on,
      vendorAt,
      variableToLog('authority', {
        vendorGuid: shimLock,
        name: 'MokListRT',
        data: new Uint8Array(Buffer.concat([new Uint8Array(16), certificate])),
      }),
    ),
    text: /accepted by CN=Synthetic Vendor CA 7 \(MokListRT\); the prediction has recorded as Pcr7GrubMokListCert/,
  },
  {
    name: 'shim signed by another certificate than one of the profile',
    code: 'SIGNED_BY_OTHER_CERTIFICATE',
    pcr: 7,
    log: replaced(
      on,
      indexOf(
        on,
        7,
        ({ type, decoded }) =>
          type === 'EV_EFI_VARIABLE_AUTHORITY' && decoded?.kind === 'variable' && decoded.name === 'db',
      ),
      variableToLog('authority', { vendorGuid: imageSecurityDatabase, name: 'db', data: new Uint8Array(48) }),
    ),
    candidates: [candidateOf(on, { platform: 'vm' })],
    more: { platforms: [platformWith({})] },
    text: /accepted by hash 0{64} \(db\); the prediction has CN=Microsoft Corporation UEFI CA 2011, .*\(db\)$/,
  },
  {
    name: 'MokSBState in PCR 7',
    code: 'MOK_SB_STATE',
    pcr: 7,
    log: inserted(on, sbatAt, mokSbState),
    text: /is set to 01/,
  },
  {
    name: 'MokSBState in PCR 14',
    code: 'MOK_SB_STATE',
    pcr: 14,
    log: inserted(on, trustedAt, ipl('MokSBState', '\u0001')),
    text: /is set on this node/,
  },
  {
    name: 'MokSBState keeps the kernel out of PCR 4',
    code: 'MOK_SB_STATE',
    pcr: 4,
    log: changedLog(inserted(on, sbatAt, mokSbState), events =>
      events.filter(event => event.pcr !== 4 || event.index <= grubAt + 1).map(again),
    ),
    text: /kernel is not measured/,
  },
  {
    name: 'no MokSBState where one is predicted',
    code: 'MOK_SB_STATE',
    pcr: 7,
    log: on,
    candidates: [candidateOf(inserted(on, sbatAt, mokSbState))],
    text: /is not set/,
  },
  {
    name: 'an enrolled key',
    code: 'MOK_ENROLLED',
    pcr: 14,
    log: replaced(on, mokListAt, ipl('MokList', 'vendor and key')),
    index: mokListAt,
  },
  {
    name: 'a key that is not enrolled, known by the shim itself',
    code: 'MOK_MISSING',
    pcr: 14,
    log: on,
    candidates: [
      {
        ...mokCandidate,
        vendorMokList: { sha256: formatHex(on.events[mokListAt]?.digests.sha256 ?? new Uint8Array(0)) },
      },
    ],
  },
  {
    name: 'a key that is not enrolled, known by a prediction for no platform',
    code: 'MOK_MISSING',
    pcr: 14,
    log: replaced(on, dbxAt, key(imageSecurityDatabase, 'dbx', certificates)),
    candidates: [
      candidateOf(replaced(on, mokListAt, ipl('MokList', 'vendor and key')), { platform: 'vm', pcrs: [4, 14] }),
      candidateOf(withKernels(on, 'another'), { pcrs: [4, 14], label: 'old' }),
    ],
  },
  {
    name: 'a key that is not enrolled, known by the profile',
    code: 'MOK_MISSING',
    pcr: 14,
    log: replaced(on, mokListAt, {
      pcr: 14,
      type: eventTypes.ipl,
      data: splitText('MokList\0'),
      digests: digestsOfText(Buffer.from(certificates).toString('latin1')),
    }),
    candidates: [mokCandidate],
    more: { platforms: [platformWith({ list: new Uint8Array(Buffer.concat([certificates, certificates])) })] },
  },
  {
    name: 'another list of keys, and nothing tells what was predicted',
    code: 'MOK_LIST_OTHER',
    pcr: 14,
    log: on,
    candidates: [mokCandidate],
  },
  {
    name: 'another MokListX',
    code: 'MOK_LIST_X_OTHER',
    pcr: 14,
    log: replaced(on, mokListAt + 1, ipl('MokListX', 'denied')),
  },
  {
    name: 'no MokListTrusted event: the variable is set',
    code: 'MOK_LIST_TRUSTED',
    pcr: 14,
    log: replaced(on, trustedAt),
    text: /^MokListTrusted is set/,
    index: null,
  },
  {
    name: 'MokPolicy where none is predicted',
    code: 'MOK_POLICY',
    pcr: 14,
    log: inserted(on, trustedAt + 1, ipl('MokPolicy', '\u0001')),
    text: /^MokPolicy is set/,
  },
  {
    name: 'a section with other contents',
    code: 'UKI_SECTION_DIFFERS',
    pcr: 11,
    log: replaced(uki, cmdlineAt + 1, textToLog(11, 'ipl', '.cmdline\0', 'quiet')),
    candidates: [ukiPredicted],
    text: /^section \.cmdline of the unified kernel image has other contents here$/,
    index: cmdlineAt + 1,
  },
  {
    name: 'a section that is not measured',
    code: 'UKI_SECTION_DIFFERS',
    pcr: 11,
    log: changedLog(uki, events => events.filter(event => event.pcr !== 11 || !hasName('.sbat')(event)).map(again)),
    candidates: [ukiPredicted],
    text: /section \.sbat .*is not measured here/,
  },
  {
    name: 'a section in place of another',
    code: 'UKI_SECTION_DIFFERS',
    pcr: 11,
    log: changedLog(uki, events => events.filter(event => event.pcr !== 11 || !hasName('.uname')(event)).map(again)),
    candidates: [ukiPredicted],
    text: /section \.sbat .*is measured where the prediction has \.uname/,
  },
  {
    name: 'a later phase in the value of the TPM',
    code: 'PHASE',
    pcr: 11,
    log: uki,
    candidates: [initrdPredicted],
    more: { live: bankAfter(uki, 11, 'enter-initrd', 'leave-initrd', 'sysinit') },
    text: /^PCR 11 was read after sysinit, and the prediction is for phase enter-initrd$/,
  },
  {
    name: 'no phase in the value of the TPM',
    code: 'PHASE',
    pcr: 11,
    log: uki,
    candidates: [initrdPredicted],
    more: { live: bankAfter(uki, 11) },
    text: /before any phase/,
  },
  {
    name: 'a later phase in the log',
    code: 'PHASE',
    pcr: 11,
    log: withPhases(uki, 'enter-initrd', 'leave-initrd'),
    candidates: [initrdPredicted],
    text: /after leave-initrd/,
  },
  {
    name: 'a TPM that holds another value',
    code: 'LOG_DOES_NOT_REPLAY',
    pcr: 14,
    log: on,
    more: { live: { '14': { sha256: '11'.repeat(32) } } },
    index: null,
  },
]

function explained({ log, candidates = [predicted], more }: Case) {
  return explain({ log, candidates, banks: ['sha256'], ...more })
}

function differenceIn(document: ReturnType<typeof explain>['document'], pcr: number) {
  return document.pcrs.find(one => one.pcr === pcr)?.firstDifference
}

describe('reasons', () => {
  it.each(cases)('$code, PCR $pcr: $name', one => {
    const { document } = explained(one)
    const difference = differenceIn(document, one.pcr)
    expect(difference?.reason).toMatchObject({ code: one.code, text: expect.stringMatching(one.text ?? /./) })
    expect(difference?.reason.text).not.toMatch(/[{}]|undefined|null/)
    if (one.index !== undefined) expect(difference?.index).toBe(one.index)
  })

  it('every code has a case', () => {
    expect([...new Set(cases.map(one => one.code))].sort()).toEqual(Object.keys(reasonTexts).sort())
  })

  it.each(cases)('the table of "$name" fits 80 columns and begins with words', one => {
    const text = explainTable(explained(one))
    expect(text.split('\n').filter(line => line.length > 80)).toEqual([])
    expect(text).toMatch(/^PCR [0-9, ]+: \S/)
    expect(text).toContain(one.code)
  })
})

describe('documents', () => {
  it('a boot as predicted is equal in every PCR and bank', () => {
    const { document } = explain({ log: on, candidates: [older, predicted], banks })
    expect(document.pcrs).toEqual([4, 7, 14].flatMap(pcr => banks.map(bank => ({ pcr, bank, equal: true }))))
    expect(document).toMatchObject({ schemaVersion: 1, platform: null, image: predicted.image })
  })

  it('of the boots with Secure Boot on and off the one that happened is taken', () => {
    const candidates = [predicted, candidateOf(off, { secureBoot: false })]
    const explanation = explain({ log: off, candidates, banks })
    expect(explanation.candidate.prediction.secureBoot).toBe(false)
    expect(explanation.document.pcrs.every(one => one.equal)).toBe(true)
    expect(explainTable(explanation)).toContain('Secure Boot off')
  })

  it('expected and seen are the first event that differs', () => {
    const log = replaced(on, dbxAt, key(imageSecurityDatabase, 'dbx', certificates))
    const { document } = explain({ log, candidates: [predicted], banks: ['sha1', 'sha256'] })
    const recorded = on.events[dbxAt]
    expect(document.pcrs.find(one => one.pcr === 7 && one.bank === 'sha1')).toEqual({
      pcr: 7,
      bank: 'sha1',
      equal: false,
      firstDifference: {
        index: dbxAt,
        expected: {
          type: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
          digest: formatHex(recorded?.digests.sha1 ?? new Uint8Array(0)),
          part: 'Pcr7Dbx',
          because: 'recorded as Pcr7Dbx',
        },
        seen: {
          type: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
          digest: formatHex(log.events[dbxAt]?.digests.sha1 ?? new Uint8Array(0)),
          text: 'dbx',
        },
        reason: { code: 'DBX_CHANGED', text: 'dbx was updated on this node' },
      },
    })
  })

  it('a record, which has sha256 only, is compared in that bank only', () => {
    const { pcrs, events } = predicted.prediction
    const prediction = {
      ...predicted.prediction,
      pcrs: Object.fromEntries(Object.entries(pcrs).map(([pcr, { sha256 = '' }]) => [pcr, { sha256 }])),
      events: events.map(event => ({ ...event, digests: { sha256: event.digests.sha256 ?? '' } })),
    }
    const { document } = explain({ log: on, candidates: [{ ...predicted, prediction }], banks })
    expect(document.pcrs).toEqual([4, 7, 14].map(pcr => ({ pcr, bank: 'sha256', equal: true })))
  })

  it('phases of systemd, which come after the log, are not asked of the log', () => {
    const { document } = explain({ log: uki, candidates: [initrdPredicted], banks })
    expect(document.pcrs.every(one => one.equal)).toBe(true)
    const live = bankAfter(uki, 11, 'enter-initrd')
    expect(live['11']?.sha256).toBe(initrdPredicted.prediction.pcrs['11']?.sha256)
    const seen = explain({ log: uki, candidates: [initrdPredicted], banks: ['sha256'], live })
    expect(seen.document.pcrs.every(one => one.equal)).toBe(true)
  })

  it('a value of the TPM that is as predicted counts more than a log that was cut', () => {
    const log = replaced(on, trustedAt)
    const live = replay(on, ['sha256'])
    expect(
      explain({ log, candidates: [predicted], banks: ['sha256'], live }).document.pcrs.every(one => one.equal),
    ).toBe(true)
    expect(explain({ log, candidates: [predicted], banks: ['sha256'] }).document.pcrs.every(one => one.equal)).toBe(
      false,
    )
  })

  it('text of a log cannot bring control characters or endless lines', () => {
    const odd = textToLog(4, 'action', `Returning from \u001b[31m\n${'x'.repeat(5000)}`)
    const explanation = explain({ log: inserted(on, shimAt, odd), candidates: [predicted], banks: ['sha256'] })
    const { text } = differenceIn(explanation.document, 4)?.seen ?? { text: null }
    expect(text).toMatch(/^Returning from \[31m x+…$/)
    expect(text?.length).toBeLessThan(300)
    for (const line of explainTable(explanation).split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('paths of images and labels cannot bring control characters either', () => {
    const path = 'usr/\u001b[31m\nvmlinuz'
    const bootFiles = [{ role: 'kernel', path, size: 8222656 }]
    const candidate = candidateOf(on, { label: 'a\u0007b', bootFiles })
    const explanation = explain({ log: withKernels(on, 'x', 8222656), candidates: [candidate], banks: ['sha256'] })
    expect(differenceIn(explanation.document, 4)?.reason.text).toContain('usr/ [31m vmlinuz but')
    expect(explainTable(explanation)).not.toMatch(/[^\P{Cc}\n]/u)
  })

  it('banks of one PCR that say the same stand on one line', () => {
    const text = explainTable(explain({ log: off, candidates: [predicted], banks }))
    expect(text).toContain('PCR  4 sha1, sha256, sha384, sha512: differs where the log has no more events')
    expect(text).toContain('PCR 14 sha1, sha256, sha384, sha512: as predicted')
    expect(text.split('\n')[0]).toMatch(/^PCR 4, 7: Secure Boot is off here/)
  })
})

describe('boots whose values hold no kernel', () => {
  const withoutBoot = candidateOf(off, { secureBoot: false })
  const read = off.events.findLast(
    ({ pcr, decoded }) => pcr === 9 && decoded?.kind === 'text' && /vmlinuz/.test(decoded.text),
  )
  const kernelSha256 = formatHex(read?.digests.sha256 ?? failed())
  const withKernel = (sha256: string, label = 'new') => ({
    ...withoutBoot,
    label,
    bootFiles: [{ role: 'kernel', path: 'usr/lib/modules/v/vmlinuz', size: 1, sha256 }],
  })

  it('say so, and that GRUB read the kernel of the image', () => {
    const explanation = explain({ log: off, candidates: [withKernel(kernelSha256)], banks: ['sha256'] })
    expect(explanation.document.pcrs.every(({ equal }) => equal)).toBe(true)
    expect(explainTable(explanation).replaceAll(/\s+/g, ' ')).toMatch(
      /^PCR 4, 7, 14 are as predicted for new, but they hold no kernel: the log has the kernel of this image in PCR 9, which no policy checks\./,
    )
  })

  it('say so when nothing tells which kernel it was', () => {
    const silent = changedLog(off, events => events.filter(({ pcr }) => pcr !== 8).map(again))
    for (const [log, candidate] of [
      [silent, withKernel(kernelSha256)],
      [off, withoutBoot],
    ] as const) {
      const explanation = explain({ log, candidates: [candidate], banks: ['sha256'] })
      expect(explainTable(explanation).replaceAll(/\s+/g, ' ')).toContain('the log does not tell which kernel ran.')
    }
  })

  it.each([
    ['of another image', [withKernel(kernelSha256, 'old')], 'KERNEL_OF_OTHER_IMAGE', /kernel of old \(usr/],
    ['that nobody knows', [], 'KERNEL_OF_NO_KNOWN_IMAGE', /vmlinuz/],
  ] as const)('differ in PCR 9 with a kernel %s', (_, others, code, text) => {
    const retired = others.map(one => ({ ...one, retired: true }))
    const candidates = [...retired, withKernel('11'.repeat(32))]
    const { document } = explain({ log: off, candidates, banks: ['sha384', 'sha256'] })
    expect(document.pcrs.filter(({ equal }) => !equal)).toEqual([
      {
        pcr: 9,
        bank: 'sha256',
        equal: false,
        firstDifference: {
          index: read?.index,
          expected: {
            type: 'EV_IPL',
            digest: '11'.repeat(32),
            part: 'Pcr9Kernel',
            because: 'kernel (usr/lib/modules/v/vmlinuz), read by GRUB',
          },
          seen: { type: 'EV_IPL', digest: kernelSha256, text: expect.stringContaining('vmlinuz') },
          reason: { code, text: expect.stringMatching(text) },
        },
      },
    ])
  })

  it('are compared only when nobody asked for Secure Boot, or for nothing else', () => {
    const unasked = { ...withoutBoot, unasked: true }
    const codes = (candidates: readonly Candidate[]) =>
      explain({ log: off, candidates, banks: ['sha256'] }).document.pcrs.map(one => one.firstDifference?.reason.code)
    expect(codes([unasked, predicted])).toEqual(['SECURE_BOOT_OFF_HERE', 'SECURE_BOOT_OFF_HERE', undefined])
    expect(codes([withoutBoot, predicted])).toEqual([undefined, undefined, undefined])
    expect(codes([unasked])).toEqual([undefined, undefined, undefined])
  })

  it('a log with Secure Boot is compared with a prediction for it, also where both differ as much', () => {
    const other = (log: EventLog, secureBoot: boolean) =>
      candidateOf(replaced(log, indexOf(log, 4, isFile('\\EFI\\BOOT\\BOOTX64.EFI')), imageToLog(null, 'other')), {
        secureBoot,
        pcrs: [4],
      })
    const { candidate } = explain({ log: on, candidates: [other(off, false), other(on, true)], banks: ['sha256'] })
    expect(candidate.prediction.secureBoot).toBe(true)
  })
})

describe('values of the TPM', () => {
  const wrong = { sha256: '11'.repeat(32) }

  it('contradict the log also in PCRs that are not predicted', () => {
    const live = { ...replay(on, ['sha256']), '0': wrong, '8': wrong }
    const { document } = explain({ log: on, candidates: [predicted], banks: ['sha256'], live })
    expect(
      document.pcrs.flatMap(({ pcr, firstDifference }) =>
        firstDifference ? [[pcr, firstDifference.reason.code]] : [],
      ),
    ).toEqual([
      [0, 'LOG_DOES_NOT_REPLAY'],
      [8, 'LOG_DOES_NOT_REPLAY'],
    ])
  })

  it('of PCRs that the running system extends contradict nothing', () => {
    const live = { ...replay(uki, ['sha256']), '10': wrong, '15': wrong, '16': wrong, '23': wrong }
    const phases = { ...live, ...bankAfter(uki, 11, 'enter-initrd', 'leave-initrd') }
    const candidate = candidateOf(uki, { pcrs: [4], files: ukiFiles })
    for (const values of [live, phases]) {
      const { document } = explain({ log: uki, candidates: [candidate], banks: ['sha256'], live: values })
      expect(document.pcrs).toEqual([{ pcr: 4, bank: 'sha256', equal: true }])
    }
    const evil = explain({ log: uki, candidates: [candidate], banks: ['sha256'], live: { ...live, '11': wrong } })
    expect(evil.document.pcrs.map(({ pcr, equal }) => [pcr, equal])).toEqual([
      [4, true],
      [11, false],
    ])
  })

  it('that were not read are named', () => {
    const { '14': _, ...live } = replay(on, ['sha256'])
    const explanation = explain({ log: on, candidates: [predicted], banks: ['sha256'], live })
    expect(explanation.document.pcrs.filter(({ notRead }) => notRead)).toEqual([
      { pcr: 14, bank: 'sha256', equal: true, notRead: true },
    ])
    const text = explainTable(explanation)
    expect(text).toContain('PCR 14 sha256: as predicted by the log; not read from the TPM')
    expect(text.replaceAll(/\s+/g, ' ')).toContain('Not read from the TPM, so only the log was compared: PCR 14.')
  })
})

describe('logs that are odd', () => {
  it('EVENT_LOG_INVALID for a log without measured events', () => {
    const log = parseEventLog(makeEventLog(['sha256'], []), 'empty')
    const fault = faultOf(() => explain({ log, candidates: [predicted], banks }))
    expect(fault).toMatchObject({ code: 'EVENT_LOG_INVALID', where: { source: 'empty' } })
    expect(fault.hint).toContain('GRUB 2.06')
  })

  it('INPUT_INVALID when nothing can be compared', () => {
    const log = parseEventLog(makeEventLog(['sha1'], [textToLog(4, 'action', 'x')]), 'sha1 only')
    expect(faultOf(() => explain({ log, candidates: [predicted], banks: ['sha256'] })).code).toBe('INPUT_INVALID')
    expect(faultOf(() => explain({ log, candidates: [], banks })).code).toBe('INPUT_INVALID')
  })

  it('cut anywhere, they are read as far as they go', () => {
    let read = 0
    for (const bytes of cuts(recordedBytes('grub-sb'), 300)) {
      try {
        const { document } = explain({
          log: parseEventLog(bytes, 'cut'),
          candidates: [older, predicted],
          banks: ['sha256'],
        })
        expect(document.pcrs).toHaveLength(3)
        read++
      } catch (error) {
        expect(error).toMatchObject({ code: 'EVENT_LOG_INVALID' })
      }
    }
    expect(read).toBeGreaterThan(250)
  })

  it('with any byte changed, they are explained or refused', () => {
    const platforms = [platformWith({})]
    const candidates = [older, candidateOf(on, { platform: 'vm' })]
    for (const { bytes } of flips(recordedBytes('grub-sb'), 1500)) {
      try {
        explainTable(explain({ log: parseEventLog(bytes, 'flipped'), candidates, platforms, banks: ['sha256'] }))
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^(?:EVENT_LOG_INVALID|INPUT_INVALID)$/) })
      }
    }
  })

  it('a digest changed without its data is an event of its own', () => {
    const shim = on.events[shimAt]
    const digests = { ...shim?.digests, sha256: new Uint8Array(32) }
    const log = replaced(on, shimAt, { ...again(shim ?? on.events[0] ?? failed()), digests })
    const { document } = explain({ log, candidates: [predicted], banks: ['sha1', 'sha256'] })
    expect(document.pcrs.filter(one => !one.equal).map(({ pcr, bank }) => [pcr, bank])).toEqual([[4, 'sha256']])
  })
})

function failed(): never {
  throw new Error('no event')
}

describe('published SBAT levels', () => {
  it('are texts that shim could measure, in the order of their dates', () => {
    const dates = publishedSbatLevels.map(text => /^sbat,1,([0-9]{10})\n(?:[a-z.]+,[0-9]+\n)*$/.exec(text)?.[1] ?? '')
    expect(dates.every(date => date !== '')).toBe(true)
    expect(dates.toSorted()).toEqual(dates)
  })
})
