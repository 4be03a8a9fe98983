// Synthetic UKIs and programs of systemd for tests: sections as a stub finds them, tiny and valid.

import { makeKernel, type Seed, seededBytes } from './boot-files.ts'
import type { SigningKey } from './certificate.ts'
import { makePe, type PeSectionToMake } from './pe.ts'

const text = (value: string) => new Uint8Array(Buffer.from(value, 'utf8'))

export interface SystemdProgramToMake {
  readonly program: 'systemd-stub' | 'systemd-boot' | 'systemd-addon'
  /** As `.sdmagic` has it: `257.13-1~deb13u1`. */
  readonly version: string
  readonly sections: readonly PeSectionToMake[]
  readonly machine?: number
  readonly signer?: SigningKey
}

export function makeSystemdProgram({ program, version, sections, machine, signer }: SystemdProgramToMake): Uint8Array {
  const own = [
    { name: '.text', data: seededBytes(`${program}/${version}`, 900) },
    {
      name: '.sbat',
      data: text(
        `sbat,1,SBAT Version,sbat,1,https://example.com\n${program},1,systemd,systemd,${version},https://example.com\n`,
      ),
    },
    { name: '.sdmagic', data: text(`#### LoaderInfo: ${program} ${version} ####\0`) },
  ]
  return makePe({ sections: [...own, ...sections], ...(machine === undefined ? {} : { machine }) }, signer)
}

export interface UkiToMake {
  readonly seed: Seed
  /** Of the stub; '257.13-1~deb13u1' when left out. */
  readonly version?: string
  /** Behind `.osrel`, `.cmdline`, `.uname`, `.linux` and `.initrd`, or instead of them with `only`. */
  readonly more?: readonly PeSectionToMake[]
  readonly only?: readonly PeSectionToMake[]
  readonly signer?: SigningKey
}

export function makeUki({ seed, version = '257.13-1~deb13u1', more = [], only, signer }: UkiToMake): Uint8Array {
  const release = '6.1.0-1.x86_64'
  const sections = only ?? [
    { name: '.osrel', data: text('ID=test\n') },
    { name: '.cmdline', data: text(`root=/dev/none seed=${seed}`) },
    { name: '.uname', data: text(release) },
    { name: '.linux', data: makeKernel({ seed, release, signer: null }) },
    { name: '.initrd', data: seededBytes(`${seed}/initrd`, 3000) },
    ...more,
  ]
  return makeSystemdProgram({ program: 'systemd-stub', version, sections, ...(signer === undefined ? {} : { signer }) })
}
