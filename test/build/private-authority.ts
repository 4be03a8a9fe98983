// A certificate authority of its own, made on the spot by openssl(1), and a certificate of it for 127.0.0.1, localhost and other names.

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Paths of PEM files. */
export interface PrivateAuthority {
  readonly authority: string
  readonly key: string
  readonly certificate: string
}

export async function makePrivateAuthority(
  directory: string,
  names: readonly string[] = [],
): Promise<PrivateAuthority> {
  const at = (name: string) => join(directory, name)
  const openssl = (...words: readonly string[]) => run('openssl', words)
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await openssl(
    ...['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=Private authority'],
    ...['-keyout', at('ca.key'), '-out', at('ca.pem')],
  )
  await openssl('req', ...curve, '-subj', '/CN=registry', '-keyout', at('server.key'), '-out', at('server.csr'))
  await writeFile(
    at('names'),
    `subjectAltName=${['IP:127.0.0.1', 'DNS:localhost', ...names.map(name => `DNS:${name}`)]}\n`,
  )
  await openssl(
    ...['x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'],
    ...['-days', '2', '-extfile', at('names'), '-out', at('server.pem')],
  )
  return { authority: at('ca.pem'), key: at('server.key'), certificate: at('server.pem') }
}
