// Boots that would not happen, as users of `predict` see them: the code, words that help, exit code 1, an empty stdout; and what is taken.

import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { signPe } from '../build/authenticode.ts'
import { firmwareKey, makeGrub, makeKernel, makeShim, vendorKeys } from '../build/boot-files.ts'
import { runCli } from '../build/bundle-runner.ts'
import { makeSigningKey } from '../build/certificate.ts'
import { hashList, keyList, makeMachine } from '../build/machine.ts'
import { authenticodeOf, bootOfGrub, eventsIn } from '../build/measured-boot.ts'
import { expectCliRefused, onlyPrediction, shortEvents, wordsFor } from '../build/predict-runs.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-refused'
const words = wordsFor(seed, temporaryDirectory())
const { files, machine } = words
const { release } = files
const [image, platform] = [words.image.bind(words), words.platform.bind(words)]
const stranger = makeSigningKey(`${seed}/stranger`)
const kernel = (changes: object) => makeKernel({ seed, release, ...changes })
const denying = (bytes: Uint8Array) => makeMachine(seed, { dbx: hashList(authenticodeOf(bytes).sha256) })
const atLevel = (sbatLevel: string) => makeMachine(seed, { sbatLevel })
interface Row {
  readonly name: string
  readonly words: () => readonly string[]
  readonly code: ErrorCode
  readonly says: readonly string[]
}

/** Files and keys with which the machine would not boot. */
const boots: readonly Row[] = [
  {
    name: 'an unsigned kernel',
    words: () => [...image({ kernel: kernel({ signer: null }) }), ...platform()],
    code: 'KERNEL_UNSIGNED',
    says: ['vmlinuz', 'no Authenticode signature'],
  },
  {
    name: 'an unsigned GRUB',
    words: () => [...image({ grub: makeGrub({ seed, signer: null }) }), ...platform()],
    code: 'BOOT_LOADER_UNSIGNED',
    says: ['grubx64.efi'],
  },
  {
    name: 'a kernel signed by a stranger',
    words: () => [...image({ kernel: kernel({ signer: stranger }) }), ...platform()],
    code: 'NOT_TRUSTED_BY_SHIM',
    says: ['vmlinuz', stranger.commonName, 'MOK'],
  },
  {
    name: 'a GRUB signed by a stranger',
    words: () => [...image({ grub: makeGrub({ seed, signer: stranger }) }), ...platform()],
    code: 'NOT_TRUSTED_BY_SHIM',
    says: ['grubx64.efi', stranger.commonName],
  },
  {
    name: 'a signature by another key than its certificate says',
    words: () => {
      const unsigned = kernel({ signer: null })
      return [...image({ kernel: signPe(unsigned, vendorKeys(seed).signer, { signedBy: stranger }) }), ...platform()]
    },
    code: 'SIGNATURE_INVALID',
    says: ['vmlinuz'],
  },
  {
    name: 'a shim whose signer is not in db',
    words: () => [...image(), ...platform(makeMachine(seed, { db: keyList(stranger) }))],
    code: 'NOT_TRUSTED_BY_FIRMWARE',
    says: ['shimx64.efi', firmwareKey(seed).commonName, 'rack'],
  },
  {
    name: 'a shim that dbx denies',
    words: () => [...image(), ...platform(denying(files.shim))],
    code: 'DENIED_BY_FIRMWARE',
    says: ['shimx64.efi', 'dbx'],
  },
  {
    name: 'a kernel that dbx denies',
    words: () => [...image(), ...platform(denying(files.kernel))],
    code: 'DENIED_BY_SHIM',
    says: ['vmlinuz', 'dbx'],
  },
  {
    name: 'a GRUB whose generation the level of the machine revokes',
    words: () => [...image(), ...platform(atLevel('sbat,1,2099010100\nshim,4\ngrub,9\n'))],
    code: 'SBAT_REVOKED',
    says: ['grubx64.efi', 'grub,9', '2099010100'],
  },
  {
    name: 'a shim that the level of the machine revokes',
    words: () => [...image(), ...platform(atLevel('sbat,1,2099010100\nshim,9\n'))],
    code: 'SBAT_REVOKED',
    says: ['shimx64.efi', 'shim,9'],
  },
  {
    name: 'GRUB without shim under Secure Boot',
    words: () => [...image(), ...platform(), '--boot-chain', 'grub-linux'],
    code: 'BOOT_CHAIN_REFUSED',
    says: ['shim-grub-linux'],
  },
]

describe('boots that would not happen', () => {
  for (const { name, words: given, ...wanted } of boots)
    it.concurrent(`${name}: ${wanted.code}`, async () => {
      await expectCliRefused(['predict', ...given()], wanted)
    })
})

it('--json: one document with the code, and no prediction', async () => {
  const run = await runCli(['predict', '--json', ...image({ kernel: kernel({ signer: stranger }) }), ...platform()])
  const document = JSON.parse(run.stdout)
  expect(document).toMatchObject({ schemaVersion: 1, outcome: 'failed', errorCode: 'NOT_TRUSTED_BY_SHIM' })
  expect(document).not.toHaveProperty('predictions.0')
  expect(run.exitCode).toBe(1)
})

describe('taken instead', () => {
  it.concurrent.each([0, 1, 2])(
    'an unknown GRUB of which the profile says that it measures %i times',
    async kernels => {
      const grub = makeGrub({ seed, sbat: 'unknown' })
      const yaml = { 'platform.yaml': `grubMeasuresKernel: ${kernels}\n` }
      const prediction = await onlyPrediction(...image({ grub }), ...platform(machine, yaml))
      const boot = bootOfGrub({ seed, machine, secureBoot: true, ...files, grub, kernels })
      expect(shortEvents(prediction)).toEqual(eventsIn(boot, [4, 7, 14]))
      expect(prediction.notes.join('\n')).toContain('known from profile rack only')
    },
  )

  it.concurrent('a profile without PK: predicted as Secure Boot off, and a note says so', async () => {
    const own = makeMachine(seed, { PK: new Uint8Array(0) })
    const prediction = await onlyPrediction(...image(), ...platform(own), '--secure-boot', 'on')
    expect(prediction.secureBoot).toBe(false)
    expect(prediction.notes.join('\n')).toContain('no PK')
    const boot = bootOfGrub({ seed, machine: own, secureBoot: false, ...files })
    expect(shortEvents(prediction)).toEqual(eventsIn(boot, [4, 7, 14]))
  })

  it.concurrent('an unsigned kernel, a shim made for others, with Secure Boot off', async () => {
    const changes = { kernel: kernel({ signer: null }), shim: makeShim({ seed, signer: stranger }) }
    const prediction = await onlyPrediction(...image(changes), ...platform(), '--secure-boot', 'off')
    const boot = bootOfGrub({ seed, machine, secureBoot: false, ...files, ...changes })
    expect(shortEvents(prediction)).toEqual(eventsIn(boot, [4, 7, 14]))
    expect(prediction.coverage.kernel.pcr).toBeNull()
  })

  it.concurrent('an unsigned kernel where MokSBState tells shim to verify nothing', async () => {
    const state = { 'MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23': Uint8Array.of(6, 0, 0, 0, 1) }
    const changes = { kernel: kernel({ signer: null }) }
    const prediction = await onlyPrediction(...image(changes), ...platform(machine, state))
    const boot = bootOfGrub({ seed, machine, secureBoot: true, ...files, ...changes, insecure: true })
    expect(shortEvents(prediction)).toEqual(eventsIn(boot, [4, 7, 14]))
    expect(prediction).toMatchObject({ secureBoot: true, coverage: { kernel: { pcr: null } } })
    expect(prediction.notes.join('\n')).toContain('MokSBState is 1')
  })
})
