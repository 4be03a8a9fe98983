// A machine that boots synthetic files: its key variables, and directories with them as efivarfs and mok-variables show them.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firmwareKey, seededBytes, vendorKeys } from './boot-files.ts'
import { makeSigningKey, type SigningKey } from './certificate.ts'
import { efivar, withAttributes } from './profile.ts'

/** GUIDs as they lie in memory: SHIM_LOCK, EFI_CERT_X509, EFI_CERT_SHA256. */
export const shimLock = new Uint8Array(Buffer.from('50ab5d6046e00043abb63dd810dd8b23', 'hex'))
const x509 = new Uint8Array(Buffer.from('a159c0a5e494a74a87b5ab155c2bf072', 'hex'))
const sha256 = new Uint8Array(Buffer.from('2616c4c14c509240aca941f936934328', 'hex'))
const maker = seededBytes('maker of the machine', 16)

/** EFI_SIGNATURE_LIST (UEFI 2.10 §32.4.1) of one entry. */
export function signatureList(owner: Uint8Array, data: Uint8Array, type = x509): Uint8Array {
  const sizes = Buffer.alloc(12)
  sizes.writeUInt32LE(28 + 16 + data.length, 0)
  sizes.writeUInt32LE(16 + data.length, 8)
  return new Uint8Array(Buffer.concat([type, sizes, owner, data]))
}

/** A list that denies, or trusts, the file with this Authenticode digest. */
export const hashList = (digest: Uint8Array) => signatureList(maker, digest, sha256)
export const keyList = (key: SigningKey, owner = maker) => signatureList(owner, key.certificate)

/** What shim has instead of an empty MokListX. */
export const dummyMokListX = signatureList(shimLock, new Uint8Array(32), sha256)

export interface Machine {
  readonly keys: Readonly<Record<'PK' | 'KEK' | 'db' | 'dbx', Uint8Array>>
  /** The level that a synthetic shim leaves there with Secure Boot on. */
  readonly sbatLevel: string
  /** Signature lists behind the vendor's in MokListRT. */
  readonly enrolled: readonly Uint8Array[]
}

/** A machine whose db trusts the synthetic shim of the seed. */
export function makeMachine(
  seed: string,
  changes: Partial<Machine['keys']> & Partial<Pick<Machine, 'sbatLevel'>> = {},
) {
  const { sbatLevel = 'sbat,1,2024040900\nshim,4\ngrub,4\n', ...keys } = changes
  const owner = (name: string) => keyList(makeSigningKey(`${seed}/${name}`))
  const own = { PK: owner('platform'), KEK: owner('exchange'), db: keyList(firmwareKey(seed)) }
  const machine: Machine = {
    keys: { ...own, dbx: hashList(seededBytes(`${seed}/denied`, 32)), ...keys },
    sbatLevel,
    enrolled: [],
  }
  return machine
}

export interface MachineDirectories {
  readonly efivars: string
  readonly mokVariables: string
  /** Both as one, for `--platform name=A+B`. */
  readonly both: string
}

/** Writes `efivars` (with attribute bytes) and `mok-variables` below a directory. `secureBoot` undefined: nothing says. */
export function writeMachine(
  directory: string,
  { seed, machine, secureBoot }: { readonly seed: string; readonly machine: Machine; readonly secureBoot?: boolean },
): MachineDirectories {
  const [efivars, mokVariables] = [join(directory, 'efivars'), join(directory, 'mok-variables')]
  for (const one of [efivars, mokVariables]) mkdirSync(one, { recursive: true })
  const variable = (name: string, content: Uint8Array) =>
    content.length > 0 && writeFileSync(join(efivars, name), withAttributes(content))
  for (const name of ['PK', 'KEK'] as const) variable(efivar.global(name), machine.keys[name])
  for (const name of ['db', 'dbx'] as const) variable(efivar.security(name), machine.keys[name])
  if (secureBoot !== undefined) variable(efivar.global('SecureBoot'), Uint8Array.of(secureBoot ? 1 : 0))
  const vendor = keyList(vendorKeys(seed).ca, shimLock)
  const mok = {
    MokListRT: new Uint8Array(Buffer.concat([vendor, ...machine.enrolled])),
    MokListXRT: dummyMokListX,
    MokListTrustedRT: Uint8Array.of(1),
    SbatLevelRT: new Uint8Array(Buffer.from(secureBoot === false ? 'sbat,1,2021030218\n' : machine.sbatLevel)),
  }
  for (const [name, content] of Object.entries(mok)) {
    variable(efivar.shim(name), content)
    writeFileSync(join(mokVariables, name), content)
  }
  return { efivars, mokVariables, both: `${efivars}+${mokVariables}` }
}
