import { describe, expect, it } from 'vitest'
import { parsePlatform } from '../../../src/predict/platform/platform.ts'
import { secureBootStates } from '../../../src/predict/platform/secure-boot-state.ts'
import { keyLists, profile } from '../../build/profile.ts'

const enrolled = { PK: keyLists, KEK: keyLists, db: keyLists }
const platform = (files: Readonly<Record<string, Uint8Array | string>>) => parsePlatform([profile('node', files)])
const states = (files: Readonly<Record<string, Uint8Array | string>> | null, wanted?: boolean) =>
  secureBootStates(files === null ? null : platform(files), wanted).map(
    ({ secureBoot, variable, firmwareVerifies, shimVerifies }) => ({
      secureBoot,
      variable,
      firmwareVerifies,
      shimVerifies,
    }),
  )

const on = { secureBoot: true, variable: 1, firmwareVerifies: true, shimVerifies: true }
const off = { secureBoot: false, variable: 0, firmwareVerifies: false, shimVerifies: false }

describe('Secure Boot state', () => {
  it('without a platform is what the caller says, else both', () => {
    expect(states(null, true)).toEqual([on])
    expect(states(null, false)).toEqual([off])
    expect(states(null)).toEqual([on, off])
  })

  it('is the caller’s word, then platform.yaml, then the variable, then both', () => {
    const yaml = 'secureBoot: false\n'
    const variable = Uint8Array.of(1)
    expect(states({ ...enrolled, SecureBoot: variable, 'platform.yaml': yaml }, true)).toEqual([on])
    expect(states({ ...enrolled, SecureBoot: variable, 'platform.yaml': yaml })).toEqual([off])
    expect(states({ ...enrolled, SecureBoot: variable })).toEqual([on])
    expect(states({ ...enrolled, SecureBoot: Uint8Array.of(0) })).toEqual([off])
    expect(states(enrolled)).toEqual([on, off])
  })

  it('on without a platform key is off, once and with a note', () => {
    expect(states({ db: keyLists }, true)).toEqual([off])
    expect(states({ db: keyLists })).toEqual([off])
    expect(secureBootStates(platform({ db: keyLists }), true)[0]?.notes).toEqual([
      'profile node has no PK: the firmware is in setup mode, so Secure Boot is predicted as off',
    ])
  })

  it('stays on where only shim does not verify', () => {
    expect(states({ ...enrolled, MokSBStateRT: Uint8Array.of(1) }, true)).toEqual([{ ...on, shimVerifies: false }])
    for (const state of [Uint8Array.of(0), Uint8Array.of(1, 0), new Uint8Array(0)])
      expect(states({ ...enrolled, MokSBStateRT: state }, true)).toEqual([on])
    expect(states({ ...enrolled, MokSBStateRT: Uint8Array.of(1) }, false)).toEqual([off])
  })
})
