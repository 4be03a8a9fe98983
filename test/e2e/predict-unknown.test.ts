// What `predict` does not know, and words that do not fit together: the code, words that help, exit code 1 or 2, and an empty stdout.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { firmwareKey, makeGrub, makeKernel, seededBytes } from '../build/boot-files.ts'
import { makeSigningKey } from '../build/certificate.ts'
import { file } from '../build/layer.ts'
import { dummyMokListX, keyList, makeMachine, shimLock, writeMachine } from '../build/machine.ts'
import { bootOfGrub, logOf } from '../build/measured-boot.ts'
import { expectCliRefused, wordsFor } from '../build/predict-runs.ts'
import { makeUki } from '../build/uki.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-unknown'
const directory = temporaryDirectory()
const at = (name: string) => join(directory, name)
const words = wordsFor(seed, directory)
const { files, machine } = words
const { release } = files
const [image, platform] = [words.image.bind(words), words.platform.bind(words)]
const stranger = makeSigningKey(`${seed}/stranger`)
const usual = [...image(), ...platform()]
const otherKernel = () => makeKernel({ seed, release, text: seededBytes('new', 900) })
const uki = (changes: Parameters<typeof makeUki>[0]) =>
  words.tree([file(`usr/lib/modules/${release}/os.efi`, makeUki(changes))])
const log = (name: string, secureBoot: boolean, cut?: number) => {
  writeFileSync(at(name), logOf(bootOfGrub({ seed, machine, secureBoot, ...files })).subarray(0, cut))
  return ['--substitute', at(name)]
}

const withoutKeys = () => platform(makeMachine(seed, { PK: new Uint8Array(0) }))

interface Row {
  readonly name: string
  readonly words: () => readonly string[]
  readonly code: ErrorCode
  readonly says: readonly string[]
  readonly exitCode?: number
}

/** What nobody knows how to predict. */
const unknown: readonly Row[] = [
  {
    name: 'a GRUB of an unknown build',
    words: () => [...image({ grub: makeGrub({ seed, sbat: 'unknown' }) }), ...platform()],
    code: 'GRUB_UNKNOWN',
    says: ['grub.example', 'grubMeasuresKernel', 'docs/pcrs.md'],
  },
  {
    name: 'a stub of an unknown version',
    words: () => [...uki({ seed, version: '251.4-1', signer: firmwareKey(seed) }), ...platform()],
    code: 'STUB_UNKNOWN',
    says: ['251.4-1', 'systemd-stub 252'],
  },
  {
    name: 'a MokListRT that no known shim began',
    words: () => [...image(), ...platform(machine, { 'MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23': foreign })],
    code: 'PLATFORM_INSUFFICIENT',
    says: ['MokListRT', 'rack'],
  },
  {
    name: 'the log of another Secure Boot state',
    words: () => [...usual, ...log('off.bin', false)],
    code: 'LOG_UNSUITABLE',
    says: ['Secure Boot off', 'wanted: Secure Boot on'],
  },
  {
    name: 'a log that is cut',
    words: () => [...usual, ...log('cut.bin', true, 2000)],
    code: 'LOG_UNSUITABLE',
    says: ['cut.bin'],
  },
  {
    name: 'a form that has no word for an event',
    words: () => [...uki({ seed, signer: firmwareKey(seed) }), ...platform(), '--format', 'compute-pcrs'],
    code: 'FORMAT_CANNOT_EXPRESS',
    says: ['Pcr4Uki', 'compute-pcrs'],
  },
  {
    name: 'two predictions in a form for one',
    words: () => {
      const { efivars } = writeMachine(at('second'), { seed, machine, secureBoot: true })
      return [...usual, '--platform', `second=${efivars}`, '--format', 'pcrlock']
    },
    code: 'FORMAT_CANNOT_EXPRESS',
    says: ['rack, Secure Boot on; second, Secure Boot on', '--platform'],
  },
]
const foreign = new Uint8Array([
  6,
  0,
  0,
  0,
  ...dummyMokListX.subarray(0, 28),
  ...shimLock,
  ...seededBytes('foreign', 32),
])

/** Words that do not fit together. */
const usage: readonly Row[] = [
  {
    name: 'reference values without Secure Boot, which nobody said is off',
    words: () => [...image(), ...withoutKeys(), '--format=trustee', '--trustee-shape=list'],
    code: 'FORMAT_CANNOT_EXPRESS',
    says: ['nobody said that it is off', 'secureBoot: false'],
  },
  {
    name: 'reference values of a TPM for a TDX machine',
    words: () => [
      ...image(),
      ...platform(machine, { 'platform.yaml': 'measurement: tdx\n' }),
      ...['--format=trustee', '--trustee-shape=map'],
    ],
    code: 'FORMAT_CANNOT_EXPRESS',
    says: ['rack', 'RTMR'],
  },
  {
    name: '--as-operator with a form that it does not have',
    words: () => [...image(), '--as-operator', '--format=trustee', '--trustee-shape=list'],
    code: 'USAGE',
    exitCode: 2,
    says: ['as-operator', 'format'],
  },
  {
    name: '--as-operator with a log, which the operator does not read',
    words: () => [...image(), '--as-operator', ...log('operator.bin', true)],
    code: 'USAGE',
    exitCode: 2,
    says: ['as-operator', 'substitute'],
  },
  {
    name: '--as-operator, which stands instead of --mixes',
    words: () => [...image(), '--as-operator', '--mixes'],
    code: 'USAGE',
    exitCode: 2,
    says: ['as-operator', 'mixes'],
  },
  {
    name: '--substitute with a form that has no place for it',
    words: () => [...usual, ...log('keylime.bin', true), '--format', 'keylime'],
    code: 'USAGE',
    exitCode: 2,
    says: ['--substitute', 'keylime'],
  },
  {
    name: 'reference values without the bank that they are in',
    words: () => [...usual, '--bank', 'sha1', '--format=trustee', '--trustee-shape=list'],
    code: 'FORMAT_CANNOT_EXPRESS',
    says: ['--bank sha256'],
  },
  {
    name: 'several images without --mixes',
    words: () => [...image(), ...image()],
    code: 'USAGE',
    exitCode: 2,
    says: ['2 images', '--mixes'],
  },
  {
    name: 'reference values for trustee without their shape',
    words: () => [...usual, '--format', 'trustee'],
    code: 'SETTING_MISSING',
    exitCode: 2,
    says: ['trustee-shape', 'tuples'],
  },
  {
    name: 'a platform directory that is not there',
    words: () => [...image(), '--platform', at('nowhere')],
    code: 'FILE_NOT_FOUND',
    says: ['nowhere'],
  },
  {
    name: 'two directories with different contents for one variable',
    words: () => {
      const other = writeMachine(at('contradicting'), { seed, machine: makeMachine(seed, { db: keyList(stranger) }) })
      return [...image(), '--platform', `${platform()[1]}+${other.efivars}`]
    },
    code: 'PLATFORM_INVALID',
    says: ['two different contents for db'],
  },
  {
    name: 'a key in platform.yaml that does not exist',
    words: () => [...image(), ...platform(machine, { 'platform.yaml': 'secureboot: true\n' })],
    code: 'PLATFORM_INVALID',
    says: ['"secureboot"', 'did you mean secureBoot?'],
  },
  {
    name: 'a platform of another architecture',
    words: () => [...image(), ...platform(machine, { 'platform.yaml': 'arch: arm64\n' })],
    code: 'PLATFORM_INVALID',
    says: ['arm64', 'rack'],
  },
  {
    name: 'two platforms with the same name',
    words: () => [...image(), ...platform(), ...platform(makeMachine(seed, { KEK: new Uint8Array(0) }))],
    code: 'PLATFORM_INVALID',
    says: ['rack', 'same name'],
  },
  {
    name: 'more mixes than mix-limit allows',
    words: () => [...image(), ...image({ kernel: otherKernel() }), '--mixes', '--mix-limit=1'],
    code: 'MIX_LIMIT',
    says: ['mix-window', 'at most 1'],
  },
]

describe.each([
  ['what is not known', unknown],
  ['words that do not fit', usage],
] as const)('%s', (_, rows) => {
  for (const { name, words: given, ...wanted } of rows)
    it.concurrent(`${name}: ${wanted.code}`, async () => {
      await expectCliRefused(['predict', ...given()], wanted)
    })
})
