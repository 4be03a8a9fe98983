// Keys of gpg and signatures of gpg and rpmsign for the tests of this tier. Debian packages: gnupg, gnupg1, rpm.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './programs.ts'

export interface GpgKey {
  /** Of the primary key. */
  readonly fingerprint: string
  /** Of the subkey that signs; undefined: the primary key does. */
  readonly subkey?: string
}

/** Times as gpg takes them, UTC: 20260101T000000. */
export type GpgTime = string

export class Keyring {
  readonly home: string

  /** `directory` must have a short path: gpg-agent makes a socket in it. */
  constructor(directory: string) {
    this.home = join(directory, 'gpg')
    mkdirSync(this.home, { mode: 0o700, recursive: true })
    // digests that gpg itself refuses are part of the tests
    writeFileSync(
      join(this.home, 'gpg.conf'),
      'batch\nyes\npinentry-mode loopback\npassphrase ""\nallow-weak-digest-algos\n',
    )
  }

  gpg(args: readonly string[], input?: Uint8Array | string, time?: GpgTime): Buffer {
    const when = time === undefined ? [] : ['--faked-system-time', time]
    const options = input === undefined ? {} : { input }
    return execFileSync('gpg', ['--homedir', this.home, '--quiet', '--no-tty', ...when, ...args], {
      ...options,
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 2 ** 26,
    })
  }

  /** `algorithm` as in --quick-generate-key; `expires` likewise: never, 1d, … */
  generate(name: string, algorithm: string, expires = 'never', time?: GpgTime): GpgKey {
    this.gpg(['--quick-generate-key', `${name} <${name}@example.org>`, algorithm, 'sign', expires], undefined, time)
    const [fingerprint] = this.fingerprints(name)
    return { fingerprint: fingerprint ?? '' }
  }

  /** A primary key that certifies only, and a subkey that signs. */
  generateWithSubkey(name: string, algorithm: string, expires = 'never', time?: GpgTime): GpgKey {
    this.gpg(['--quick-generate-key', `${name} <${name}@example.org>`, algorithm, 'cert', 'never'], undefined, time)
    const [fingerprint = ''] = this.fingerprints(name)
    this.gpg(['--quick-add-key', fingerprint, algorithm, 'sign', expires], undefined, time)
    return { fingerprint, subkey: this.fingerprints(name)[1] ?? '' }
  }

  fingerprints(name: string): string[] {
    const lines = this.gpg([
      '--with-colons',
      '--with-subkey-fingerprint',
      '--list-keys',
      `=${name} <${name}@example.org>`,
    ])
      .toString()
      .split('\n')
    return lines.filter(line => line.startsWith('fpr:')).map(line => line.split(':')[9] ?? '')
  }

  /** The armored public key, with a revocation when `reason` (RFC 9580 section 5.2.3.31) is given. */
  armored({ fingerprint }: GpgKey, revoked?: { reason: 0 | 1 | 2 | 3; time?: GpgTime }): string {
    if (revoked === undefined) return this.gpg(['--armor', '--export', fingerprint]).toString()
    const answers = `y\n${revoked.reason}\n\ny\n`
    const certificate = this.gpg(
      ['--no-batch', '--command-fd', '0', '--gen-revoke', fingerprint],
      answers,
      revoked.time,
    ).toString()
    const other = new Keyring(
      join(this.home, '..', `r-${revoked.reason}-${revoked.time ?? 'now'}-${fingerprint.slice(0, 8)}`),
    )
    other.gpg(['--import'], this.gpg(['--export', fingerprint]))
    other.gpg(['--import'], certificate)
    return other.armored({ fingerprint })
  }

  /** A detached binary signature. */
  sign(key: GpgKey, bytes: Uint8Array, options: readonly string[] = [], time?: GpgTime): Uint8Array {
    const user = `${key.subkey ?? key.fingerprint}!`
    return new Uint8Array(this.gpg(['--local-user', user, '--detach-sign', ...options, '--output', '-'], bytes, time))
  }

  /** As signing services of distributions do: version 3, by GnuPG 1.4. */
  signVersion3(key: GpgKey, bytes: Uint8Array, directory: string): Uint8Array {
    const home = join(directory, 'gpg1')
    mkdirSync(home, { mode: 0o700 })
    const secret = this.gpg(['--export-secret-keys', key.fingerprint])
    const gpg1 = ['--homedir', home, '--quiet', '--no-tty', '--batch']
    execFileSync('gpg1', [...gpg1, '--import'], { input: secret, stdio: ['pipe', 'pipe', 'pipe'] })
    const options = ['--digest-algo', 'sha256', '--force-v3-sigs', '--detach-sign', '--output', '-']
    return new Uint8Array(
      execFileSync('gpg1', [...gpg1, ...options], { input: bytes, stdio: ['pipe', 'pipe', 'pipe'] }),
    )
  }

  /** Signs a package as rpmsign does it, with further options of gpg. */
  signPackage(key: GpgKey, path: string, options: readonly string[] = [], digest = 'sha256'): void {
    const name = key.subkey === undefined ? key.fingerprint : `${key.subkey}!`
    const defines = [
      // Debian builds rpm without a full path here
      `__gpg /usr/bin/gpg`,
      `_gpg_path ${this.home}`,
      `_gpg_name ${name}`,
      `_gpg_digest_algo ${digest}`,
      `_gpg_sign_cmd_extra_args ${options.join(' ') || '--batch'}`,
    ]
    run('rpmsign', ...defines.flatMap(define => ['--define', define]), '--addsign', path)
  }
}

/** What rpmkeys says of a package when it knows these keys and asks for a signature. */
export function rpmAccepts(
  directory: string,
  armored: readonly string[],
  rpm: Uint8Array,
): { ok: boolean; output: string } {
  const database = join(directory, `db-${Math.random().toString(16).slice(2)}`)
  mkdirSync(database)
  const rpmkeys = ['--dbpath', database, '--define', '_db_backend sqlite', '--define', '_pkgverify_level signature']
  const path = join(database, 'package.rpm')
  writeFileSync(path, rpm)
  try {
    for (const [index, text] of armored.entries()) {
      const file = join(database, `${index}.asc`)
      writeFileSync(file, text)
      run('rpmkeys', ...rpmkeys, '--import', file)
    }
    return { ok: true, output: run('rpmkeys', ...rpmkeys, '--checksig', '--verbose', path) }
  } catch (error) {
    const output =
      error instanceof Error && 'stdout' in error && 'stderr' in error ? `${error.stdout}${error.stderr}` : ''
    return { ok: false, output: output || String(error) }
  }
}

export function readBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path))
}
