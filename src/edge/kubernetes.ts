// Objects of a cluster, read and never written: GET on the Kubernetes API, https only, answers with a ceiling.

import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import { setTimeout as wait } from 'node:timers/promises'
import { ToolError } from '../errors.ts'
import { isLoopback } from './connections.ts'
import type { ClusterAccess, ClusterConnection } from './kubernetes-client.ts'
import { nameOf, type ObjectPlace, refusal, unreachable } from './kubernetes-faults.ts'

export interface ClusterReader {
  /** URL of the API server. */
  readonly server: string
  /** The object as JSON gave it; undefined where the cluster has no such object or kind. */
  read(place: ObjectPlace): Promise<unknown>
}

export interface ClusterOptions {
  readonly access: ClusterAccess
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Lets a kubeconfig say insecure-skip-tls-verify. */
  readonly allowInsecure: boolean
  /** Until headers, and between two pieces of a body. Default 30 s. */
  readonly timeoutMs?: number
  /** Default 3. */
  readonly attempts?: number
  /** Before the second attempt; doubles. Default 1 s. */
  readonly pauseMs?: number
}

/** A rendered MachineConfig has at most 1.5 MiB. */
const answerCeiling = 8 * 1024 * 1024

/**
 * Reads the credentials; nothing is asked yet. Throws KUBECONFIG_INVALID, INSECURE_NOT_ALLOWED, CLUSTER_DENIED for a client certificate that has
 * expired. `read` throws CLUSTER_UNREACHABLE, CLUSTER_DENIED, CLUSTER_INVALID, CEILING_REACHED.
 */
export async function openCluster(options: ClusterOptions): Promise<ClusterReader> {
  const connection = await connect(options.access)
  const { server } = connection
  const url = URL.parse(server)
  if (url === null) throw unusable('its server is no URL', options.access)
  if (url.protocol !== 'https:' || connection.unverified) refuseInsecure(url, connection, options)
  refuseExpired(connection, url)
  const agent = connection.proxied ? connection.options.agent : agentFor(connection.options, url, options.environment)
  const send = (path: string) =>
    answerOf(new URL(path, `${server.replace(/\/+$/, '')}/`), { ...connection.options, agent }, options)
  return {
    server,
    read: async place => {
      const answer = await patiently(options, () => send(pathOf(place)))
      const source = `${nameOf(place)} of ${server}`
      if (answer.status === 200) return parseAnswer(answer.body, source)
      if (answer.status === 404) return undefined
      throw refusal(answer, place, source)
    },
  }
}

async function connect(access: ClusterAccess): Promise<ClusterConnection> {
  const { connectionOf, UnusableKubeconfig } = await import('./kubernetes-client.ts')
  try {
    return await connectionOf(access)
  } catch (cause) {
    if (cause instanceof UnusableKubeconfig) throw unusable(cause.message, access)
    const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
    // what the library says may hold a part of the file
    throw unusable(code ?? 'it is no kubeconfig, or names files that are not there', access, cause)
  }
}

function unusable(found: string, access: ClusterAccess, cause?: unknown): ToolError {
  return new ToolError('KUBECONFIG_INVALID', 'the credentials of the cluster cannot be used', {
    found,
    wanted: 'a kubeconfig with a token or a client certificate, or a service account',
    // never the paths: who gives a token in place of a file would see it printed
    where: { source: access.kind === 'in-cluster' ? 'in-cluster' : 'kubeconfig' },
    cause,
  })
}

function refuseInsecure(url: URL, { unverified }: ClusterConnection, { allowInsecure }: ClusterOptions): void {
  if (url.protocol === 'https:' && unverified && allowInsecure) return
  throw new ToolError('INSECURE_NOT_ALLOWED', 'the cluster would be asked without a look at who answers', {
    found: url.protocol === 'https:' ? 'insecure-skip-tls-verify: true' : url.protocol,
    wanted: url.protocol === 'https:' ? 'certificate-authority-data, or allow-insecure: true' : 'https',
    where: { source: url.origin },
  })
}

function refuseExpired({ options: { cert } }: ClusterConnection, url: URL): void {
  if (typeof cert !== 'string' && !Buffer.isBuffer(cert)) return
  let until: Date
  try {
    until = new X509Certificate(cert).validToDate
  } catch (cause) {
    throw new ToolError('KUBECONFIG_INVALID', 'the client certificate of the kubeconfig cannot be read', {
      where: { source: url.origin },
      cause,
    })
  }
  if (until.getTime() > Date.now()) return
  throw new ToolError('CLUSTER_DENIED', 'the client certificate of the kubeconfig has expired', {
    found: until.toISOString(),
    wanted: 'one that is valid now',
    where: { source: url.origin },
    hint: 'log in again and use the new kubeconfig',
  })
}

/** The proxies of the environment; a loopback host is never asked through one. */
function agentFor(options: RequestOptions, url: URL, environment: ClusterOptions['environment']): Agent {
  const { ca, cert, key, servername, rejectUnauthorized } = options
  const proxies = isLoopback(url.hostname) ? {} : { proxyEnv: { ...environment } }
  return new Agent({ keepAlive: false, ...proxies, ca, cert, key, servername, rejectUnauthorized })
}

interface Answer {
  readonly status: number
  readonly body: Buffer
}

async function patiently(
  { attempts = 3, pauseMs = 1000 }: ClusterOptions,
  send: () => Promise<Answer>,
): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const last = attempt >= attempts
    try {
      const answer = await send()
      if (last || (answer.status !== 429 && answer.status < 500)) return answer
    } catch (error) {
      if (last || !(error instanceof ToolError) || !isPassing(error)) throw error
    }
    await wait(pauseMs * 2 ** (attempt - 1))
  }
}

const passing = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'socket hang up'])
const isPassing = ({ code, found }: ToolError): boolean => code === 'CLUSTER_UNREACHABLE' && passing.has(found ?? '')

function answerOf(url: URL, options: RequestOptions, { timeoutMs = 30_000 }: ClusterOptions): Promise<Answer> {
  return new Promise((done, refuse) => {
    const asked = request(url, {
      ...options,
      method: 'GET',
      timeout: timeoutMs,
      headers: { ...options.headers, accept: 'application/json', 'user-agent': 'attested-os-update' },
    })
    const fail = (cause: Error) => refuse(unreachable(cause, url))
    asked.on('error', fail)
    asked.on('timeout', () => asked.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })))
    asked.on('response', (response: IncomingMessage) => {
      const parts: Buffer[] = []
      let size = 0
      response.on('data', (part: Buffer) => {
        size += part.length
        if (size <= answerCeiling) parts.push(part)
        else asked.destroy(tooLarge(url))
      })
      response.on('error', fail)
      response.on('end', () => done({ status: response.statusCode ?? 0, body: Buffer.concat(parts) }))
    })
    asked.end()
  })
}

function tooLarge(url: URL): ToolError {
  return new ToolError('CEILING_REACHED', 'an object of the cluster is too large', {
    wanted: `at most ${answerCeiling} bytes`,
    where: { source: url.href },
  })
}

function parseAnswer(body: Buffer, source: string): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw new ToolError('CLUSTER_INVALID', 'the cluster does not answer with JSON', {
      wanted: 'an object of the Kubernetes API',
      where: { source },
    })
  }
}

function pathOf({ group, version, resource, namespace, name }: ObjectPlace): string {
  const start = group === '' ? `api/${version}` : `apis/${group}/${version}`
  const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
  return `${start}${within}/${resource}/${encodeURIComponent(name)}`
}
