// Certificates for TLS on loopback, of one authority of the tests; the same for the same names.

import { makeSigningKey, type SigningKey } from './certificate.ts'

const usages = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' }

const authority = makeSigningKey('cluster authority', { curve: 'P-256', usages: Object.values(usages) })

function pem(kind: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${kind}-----\n${lines.join('\n')}\n-----END ${kind}-----\n`
}

const keyOf = ({ privateKey }: SigningKey) => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

/** The authority's certificate, PEM. */
export const authorityPem = pem('CERTIFICATE', authority.certificate)

/** Key and certificate, PEM; `until`: the year in whose first second it ends to be valid. */
export function tlsCertificate(
  commonName: string,
  usage: keyof typeof usages,
  until?: number,
): { readonly key: string; readonly cert: string } {
  const made = makeSigningKey(`cluster ${commonName}`, {
    curve: 'P-256',
    commonName,
    issuer: authority,
    authority: false,
    usages: [usages[usage]],
    ...(until === undefined ? {} : { until }),
  })
  return { key: keyOf(made), cert: pem('CERTIFICATE', made.certificate) }
}
