// A client certificate with its key, for repositories that only subscribers may read: RHEL keeps them in /etc/pki/entitlement, in PEM.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { ToolError } from '../errors.ts'

export interface ClientCertificate {
  /** A function, so that whoever prints this prints no key. */
  readonly pem: () => { readonly cert: string; readonly key: string }
  /** True for the hosts that may ask for it: those of the settings, never those of redirects and mirrors. */
  readonly isFor: (url: URL) => boolean
  /** Why nothing will come of asking with it now, such as `expired on 2026-01-31T…`; undefined while it is valid. */
  readonly notNow: () => string | undefined
  /** Subject and end, for people. */
  readonly description: string
}

const ceiling = 1024 * 1024

/**
 * Reads certificate (with those of its issuers, if there are some; other blocks are left out) and key. `urls` are those whose hosts may see it.
 * Throws INPUT_INVALID for what cannot be read, and for a key of another certificate.
 */
export function parseClientCertificate(
  certificate: string,
  key: string,
  urls: readonly string[],
  now: () => number = Date.now,
): ClientCertificate {
  const blocks = certificate.length > ceiling ? null : certificate.match(certificateBlock)
  const refuse = (name: 'certificate' | 'key', found: string, cause?: unknown): never => {
    throw new ToolError('INPUT_INVALID', `the client ${name} of the kernel repositories cannot be used`, {
      found,
      wanted: name === 'key' ? 'the private key of the client certificate in PEM, without a passphrase' : 'PEM',
      where: { path: `kernel-repository-client-${name}` },
      cause,
    })
  }
  if (blocks === null) return refuse('certificate', 'no certificate in PEM')
  const own = attempt(
    () => new X509Certificate(blocks[0]),
    cause => refuse('certificate', 'a certificate that cannot be read', cause),
  )
  const secret = attempt(
    () => createPrivateKey(key),
    // the reason of OpenSSL has nothing of the key
    cause => refuse('key', /PASSPHRASE|ENCRYPTED/i.test(key) ? 'an encrypted key' : 'no private key in PEM', cause),
  )
  if (!own.checkPrivateKey(secret)) refuse('key', `not the key of ${nameOf(own)}`)
  const hosts = new Set(urls.flatMap(url => URL.parse(url)?.host ?? []))
  return {
    pem: () => ({ cert: blocks.join('\n'), key }),
    isFor: ({ protocol, host }) => protocol === 'https:' && hosts.has(host),
    notNow() {
      if (now() > own.validToDate.getTime()) return `expired on ${own.validToDate.toISOString()}`
      if (now() < own.validFromDate.getTime()) return `not valid before ${own.validFromDate.toISOString()}`
      return undefined
    },
    description: `${nameOf(own)}, valid until ${own.validToDate.toISOString()}`,
  }
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

function attempt<T>(work: () => T, fail: (cause: unknown) => T): T {
  try {
    return work()
  } catch (cause) {
    return fail(cause)
  }
}

/** The subject in one line. */
function nameOf({ subject }: X509Certificate): string {
  return subject === undefined || subject === '' ? 'a certificate without subject' : subject.replaceAll('\n', ', ')
}

/** The fault when a server with which the certificate was used does not give what was asked for. */
export function refusedCertificate(client: ClientCertificate, url: string, answer: string): ToolError {
  const why = client.notNow()
  return new ToolError('CLIENT_CERTIFICATE_REFUSED', 'an RPM repository does not accept the client certificate', {
    found: `${answer}; ${client.description}${why === undefined ? '' : `: ${why}`}`,
    wanted: 'a client certificate that is valid now and entitled to this repository',
    where: { source: url },
    ...(why === undefined
      ? {}
      : { hint: 'get a new entitlement certificate, and give it as kernel-repository-client-certificate' }),
  })
}
