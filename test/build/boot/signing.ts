// Signs PE files with sbsign: the key whose certificate Debian's test store holds in db, and an own machine owner key.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSigningKey } from '../certificate.ts'
import { run } from '../real/debian-packages.ts'

export interface PeSigner {
  /** PEM */
  readonly key: string
  readonly certificate: string
}

/** Its certificate is PK, KEK and db of OVMF_VARS_4M.snakeoil.fd; key and passphrase come with Debian's package ovmf. */
export function databaseKey(): PeSigner {
  const key = run('openssl', ['pkey', '-in', '/usr/share/ovmf/PkKek-1-snakeoil.key', '-passin', 'pass:snakeoil'])
  return { key, certificate: readFileSync('/usr/share/ovmf/PkKek-1-snakeoil.pem', 'utf8') }
}

export const ownerKey = () => makeSigningKey('machine-owner', { commonName: 'Test machine owner key' })

export function ownerSigner(): PeSigner {
  const { privateKey, certificate } = ownerKey()
  const base64 = Buffer.from(certificate).toString('base64')
  const lines = base64.match(/.{1,64}/g)?.join('\n')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  }
}

/** The file with one more signature. */
export function withSignature(file: Uint8Array, { key, certificate }: PeSigner): Uint8Array {
  return inScratch(file, path => {
    const keyFile = join(path, '../key.pem')
    const certificateFile = join(path, '../certificate.pem')
    writeFileSync(keyFile, key)
    writeFileSync(certificateFile, certificate)
    run('sbsign', ['--key', keyFile, '--cert', certificateFile, '--output', path, path])
  })
}

/** The file without any signature. */
export function withoutSignatures(file: Uint8Array): Uint8Array {
  return inScratch(file, path => {
    while (/^signature \d/m.test(run('sbverify', ['--list', path]))) run('sbattach', ['--remove', path])
  })
}

/** Runs a program over a copy of the file and gives what it made of it. */
export function inScratch(file: Uint8Array, change: (path: string) => void): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'boot-signing-'))
  try {
    const path = join(directory, 'file.efi')
    writeFileSync(path, file)
    change(path)
    return new Uint8Array(readFileSync(path))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
