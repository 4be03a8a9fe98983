// How connections are made: certificate authorities, the proxies of the environment, connections kept for the next request.

import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { ToolError } from '../errors.ts'
import type { ClientCertificate } from './client-certificate.ts'

/** Gives the agent for a request; agents, and so connections, are shared by all requests of one `Connections`. */
export interface Connections {
  /** `unverified`: certificates are not checked. */
  agentFor(url: URL, unverified: boolean): Agent
  /** The client certificate that this host may ask for. */
  clientFor(url: URL): ClientCertificate | undefined
}

export interface ConnectionOptions {
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read from here, in upper or lower case. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Certificates in PEM, trusted besides those of Node.js and of the system. */
  readonly authorities?: readonly string[]
  /** Shown to the hosts that it is for. */
  readonly client?: ClientCertificate | undefined
}

/**
 * Connections by the proxies of the environment; a loopback host is never asked through a proxy, as Go's programs do it too.
 * `agentFor` throws SETTING_INVALID for a proxy that cannot be used.
 */
export function openConnections({ environment, authorities = [], client }: ConnectionOptions): Connections {
  const agents = new Map<string, Agent>()
  const contexts = new Map<ClientCertificate | undefined, SecureContext>()
  const clientFor = (url: URL) => (client?.isFor(url) === true ? client : undefined)
  const contextFor = (own: ClientCertificate | undefined): SecureContext => {
    const context = contexts.get(own) ?? trustedBy(authorities, own)
    contexts.set(own, context)
    return context
  }
  return {
    clientFor,
    agentFor(url, unverified) {
      const secure = url.protocol === 'https:'
      const proxied = !isLoopback(url.hostname)
      const own = clientFor(url)
      const key = `${secure} ${proxied} ${secure && unverified} ${own !== undefined}`
      const known = agents.get(key)
      if (known !== undefined) return known
      const options = { keepAlive: true, ...(proxied ? { proxyEnv: proxiesOf(environment) } : {}) }
      const trust = unverified ? { rejectUnauthorized: false } : secure ? { secureContext: contextFor(own) } : {}
      const agent = secure ? new TlsAgent({ ...options, ...trust }) : new Agent(options)
      agents.set(key, agent)
      return agent
    },
  }
}

/** The connections of requests that name none. */
export const plainConnections: Connections = openConnections({ environment: process.env })

/** What Node.js reads as `proxyEnv`. An empty variable is none, and a proxy without a scheme is asked by http, as curl does. */
function proxiesOf(environment: ConnectionOptions['environment']): Record<string, string> {
  const proxies: Record<string, string> = {}
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']) {
    const value = environment[name]?.trim()
    if (value) proxies[name] = name.toLowerCase() === 'no_proxy' ? value : proxyUrl(name, value)
  }
  return proxies
}

function proxyUrl(name: string, value: string): string {
  const url = value.includes('://') ? value : `http://${value}`
  if (['http:', 'https:'].includes(URL.parse(url)?.protocol ?? '')) return url
  // the value may hold a password
  throw new ToolError('SETTING_INVALID', 'a proxy of the environment cannot be used', {
    wanted: 'http://host:port or https://host:port',
    where: { source: name },
  })
}

/** Node.js's own list, what NODE_EXTRA_CA_CERTS adds, the system's store (SSL_CERT_FILE, SSL_CERT_DIR), and ours. */
function trustedBy(authorities: readonly string[], client: ClientCertificate | undefined): SecureContext {
  const all = new Set([...getCACertificates('default'), ...getCACertificates('system'), ...authorities])
  return createSecureContext({ ca: [...all], ...client?.pem() })
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

const bundleCeiling = 4 * 1024 * 1024

/** The certificates of a PEM file. Throws FILE_NOT_FOUND, and INPUT_INVALID for a file with another thing than certificates, or none. */
export async function readAuthorities(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'latin1').catch(cause => {
    throw new ToolError('FILE_NOT_FOUND', 'a file of certificate authorities cannot be read', {
      found: (cause as NodeJS.ErrnoException).code ?? 'an error',
      where: { source: path },
      cause,
    })
  })
  const blocks = text.length > bundleCeiling ? [] : text.match(/-----BEGIN [^-]+-----[^-]*-----END [^-]+-----/g)
  const refuse = (found: string, cause?: unknown): never => {
    throw new ToolError('INPUT_INVALID', 'not a file of certificate authorities', {
      found,
      wanted: 'certificates in PEM, at most 4 MiB',
      where: { source: path },
      cause,
    })
  }
  if (!blocks || blocks.length === 0) return refuse('no certificate')
  for (const [index, block] of blocks.entries()) {
    if (!/^-----BEGIN (?:TRUSTED )?CERTIFICATE-----/.test(block)) refuse(`block ${index + 1} is no certificate`)
    try {
      new X509Certificate(block)
    } catch (cause) {
      refuse(`certificate ${index + 1} cannot be read`, cause)
    }
  }
  return blocks
}
