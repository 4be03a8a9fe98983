// A small API server on loopback: TLS by an authority of its own, users by token or client certificate, rights per path, objects by path, read only.

import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { authorityPem, tlsCertificate } from './tls-certificate.ts'

export interface ClusterUser {
  readonly name: string
  readonly token?: string
  /** Paths that it may read; all when left out. */
  readonly may?: RegExp
}

export interface ClusterOptions {
  /** Path → object. */
  readonly objects: Readonly<Record<string, unknown>>
  readonly users?: readonly ClusterUser[]
  /** The name in its certificate; localhost when left out. */
  readonly name?: string
  /** Year in whose first second the server's certificate ends to be valid. */
  readonly until?: number
  /** Answers that are no object of the API. */
  readonly wrong?: (path: string) => { readonly status: number; readonly body: string } | undefined
}

export interface ClusterDouble {
  readonly url: string
  readonly port: number
  /** `GET /path user` of every request. */
  readonly log: string[]
  objects: Readonly<Record<string, unknown>>
  close(): Promise<void>
}

export const paths = {
  clusterVersion: '/apis/config.openshift.io/v1/clusterversions/version',
  imageStream: '/apis/machineconfiguration.openshift.io/v1/osimagestreams/cluster',
  imageConfigMap: '/api/v1/namespaces/openshift-machine-config-operator/configmaps/machine-config-osimageurl',
  pool: (name: string) => `/apis/machineconfiguration.openshift.io/v1/machineconfigpools/${name}`,
  machineConfig: (name: string) => `/apis/machineconfiguration.openshift.io/v1/machineconfigs/${name}`,
}

/** Certificate of the authority that all doubles have, PEM. */
export const clusterAuthority = (): string => authorityPem

export async function startClusterDouble(options: ClusterOptions): Promise<ClusterDouble> {
  const { users = [], wrong } = options
  const log: string[] = []
  const double = { objects: options.objects }
  const tls = tlsCertificate(options.name ?? 'localhost', 'server', options.until)
  const ca = authorityPem
  const server = createServer({ ...tls, ca, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const path = request.url ?? '/'
    const send = (status: number, body: string, type = 'application/json') => {
      response.writeHead(status, { 'content-type': type })
      response.end(body)
    }
    /** metav1.Status. */
    const refuse = (code: number, reason: string, message: string) =>
      send(
        code,
        JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }),
      )
    const socket = request.socket as TLSSocket
    const certificate = socket.authorized ? socket.getPeerCertificate().subject.CN : undefined
    const token = request.headers.authorization?.replace(/^Bearer /, '')
    const user = users.find(one => (one.token === undefined ? one.name === certificate : one.token === token))
    log.push(`${request.method} ${path} ${user?.name ?? 'nobody'}`)
    const answer = wrong?.(path)
    if (answer !== undefined) return send(answer.status, answer.body)
    if (user === undefined) return refuse(401, 'Unauthorized', 'Unauthorized')
    if (user.may?.test(path) === false)
      return refuse(403, 'Forbidden', `${path.split('/').at(-2)} is forbidden: User "${user.name}" cannot get resource`)
    const object = double.objects[path]
    if (object === undefined) return refuse(404, 'NotFound', 'the server could not find the requested resource')
    send(200, JSON.stringify(object))
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  return Object.assign(double, {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    port: (server.address() as AddressInfo).port,
    log,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>(done => server.close(() => done()))
    },
  })
}

export interface KubeconfigInput {
  readonly server: string
  readonly token?: string
  /** Common name of a client certificate, and the year in which it ends. */
  readonly certificate?: { readonly name: string; readonly until?: number }
  readonly user?: Readonly<Record<string, unknown>>
  readonly cluster?: Readonly<Record<string, unknown>>
  readonly withoutAuthority?: true
  readonly currentContext?: string
}

/** A kubeconfig as `oc login` writes it. JSON is YAML too. */
export function kubeconfig(input: KubeconfigInput): string {
  const data = (text: string) => Buffer.from(text).toString('base64')
  const made =
    input.certificate === undefined
      ? undefined
      : tlsCertificate(input.certificate.name, 'client', input.certificate.until)
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'test',
          cluster: {
            server: input.server,
            ...(input.withoutAuthority ? {} : { 'certificate-authority-data': data(authorityPem) }),
            ...input.cluster,
          },
        },
      ],
      contexts: [{ name: 'test/me', context: { cluster: 'test', user: 'me', namespace: 'default' } }],
      'current-context': input.currentContext ?? 'test/me',
      preferences: {},
      users: [
        {
          name: 'me',
          user: {
            ...(input.token === undefined ? {} : { token: input.token }),
            ...(made === undefined
              ? {}
              : { 'client-certificate-data': data(made.cert), 'client-key-data': data(made.key) }),
            ...input.user,
          },
        },
      ],
    },
    null,
    2,
  )
}
