// Reading objects of a cluster, over TLS: who is asked, who asks, and what goes wrong.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { renderText } from '../../src/edge/annotations.ts'
import { openCluster } from '../../src/edge/kubernetes.ts'
import type { ClusterAccess } from '../../src/edge/kubernetes-client.ts'
import type { ObjectPlace } from '../../src/edge/kubernetes-faults.ts'
import {
  type ClusterDouble,
  type ClusterOptions,
  clusterAuthority,
  type KubeconfigInput,
  kubeconfig,
  paths,
  startClusterDouble,
} from '../build/cluster-double.ts'
import { clusterVersion, imageConfigMap, nodeImage } from '../build/cluster-objects.ts'
import { expectToolError } from '../build/expect-error.ts'
import { startProxy } from '../build/proxy.ts'

const version: ObjectPlace = {
  group: 'config.openshift.io',
  version: 'v1',
  resource: 'clusterversions',
  name: 'version',
}
const configMap: ObjectPlace = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  namespace: 'openshift-machine-config-operator',
  name: 'machine-config-osimageurl',
}
const objects = {
  [paths.clusterVersion]: clusterVersion(),
  [paths.imageConfigMap]: imageConfigMap(nodeImage('1')),
}
const robot = { name: 'robot', token: 'robot-token' }

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function cluster(options: Partial<ClusterOptions> = {}): Promise<ClusterDouble> {
  const double = await startClusterDouble({ objects, users: [robot, { name: 'admin' }], ...options })
  ends.push(() => double.close())
  return double
}

const opened = (access: ClusterAccess, more: Partial<Parameters<typeof openCluster>[0]> = {}) =>
  openCluster({ access, environment: {}, allowInsecure: false, timeoutMs: 2000, attempts: 1, pauseMs: 1, ...more })
const text = (input: KubeconfigInput): ClusterAccess => ({ kind: 'kubeconfig-text', text: kubeconfig(input) })
const withToken = ({ url }: ClusterDouble) => text({ server: url, token: robot.token })

describe('a cluster', () => {
  it('is read with a token', async () => {
    const double = await cluster()
    const reader = await opened(withToken(double))
    expect(await reader.read(version)).toEqual(clusterVersion())
    expect(await reader.read(configMap)).toEqual(imageConfigMap(nodeImage('1')))
    expect(double.log).toEqual([`GET ${paths.clusterVersion} robot`, `GET ${paths.imageConfigMap} robot`])
  })

  it('is read with a client certificate', async () => {
    const double = await cluster()
    const reader = await opened(text({ server: double.url, certificate: { name: 'admin' } }))
    expect(await reader.read(version)).toEqual(clusterVersion())
    expect(double.log).toEqual([`GET ${paths.clusterVersion} admin`])
  })

  it('is read with the files of KUBECONFIG, of which the first that says something wins', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'attested-os-update-kubeconfig-'))
    ends.push(() => rm(directory, { recursive: true }))
    const double = await cluster()
    const write = async (name: string, input: KubeconfigInput) => {
      await writeFile(join(directory, name), kubeconfig(input))
      return join(directory, name)
    }
    const one = await write('one', { server: double.url, token: robot.token })
    const reader = await opened({ kind: 'kubeconfig-files', paths: one })
    expect(await reader.read(version)).toEqual(clusterVersion())
    await writeFile(join(directory, 'empty'), 'apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n')
    const both = await opened({ kind: 'kubeconfig-files', paths: `${join(directory, 'empty')}:${one}` })
    expect(await both.read(version)).toEqual(clusterVersion())
  })

  it('is read with the service account of a pod', async () => {
    const root = await mkdtemp(join(tmpdir(), 'attested-os-update-pod-'))
    ends.push(() => rm(root, { recursive: true }))
    const double = await cluster()
    const account = join(root, 'var/run/secrets/kubernetes.io/serviceaccount')
    await mkdir(account, { recursive: true })
    vi.stubEnv('KUBERNETES_SERVICE_HOST', 'localhost').stubEnv('KUBERNETES_SERVICE_PORT', String(double.port))
    ends.push(async () => vi.unstubAllEnvs())
    const error = await expectToolError('KUBECONFIG_INVALID', opened({ kind: 'in-cluster', root }))
    expect(error.found).toBe('ENOENT')
    await writeFile(join(account, 'ca.crt'), clusterAuthority())
    await writeFile(join(account, 'token'), robot.token)
    await writeFile(join(account, 'namespace'), 'gitops')
    const reader = await opened({ kind: 'in-cluster', root })
    expect(await reader.read(version)).toEqual(clusterVersion())
    expect(double.log).toEqual([`GET ${paths.clusterVersion} robot`])
  })

  it('is asked through the proxy of the environment, which sees nothing of it', async () => {
    const double = await cluster({ name: 'api.cluster.test' })
    const proxy = await startProxy(double.port)
    ends.push(() => proxy.close())
    const access = text({ server: 'https://api.cluster.test:6443', token: robot.token })
    const reader = await opened(access, { environment: { HTTPS_PROXY: proxy.url } })
    expect(await reader.read(version)).toEqual(clusterVersion())
    expect(proxy.requests).toEqual(['CONNECT api.cluster.test:6443'])
    const around = await opened(access, { environment: { HTTPS_PROXY: proxy.url, NO_PROXY: '.cluster.test' } })
    await expectToolError('CLUSTER_UNREACHABLE', around.read(version))
    expect(proxy.requests).toHaveLength(1)
  })

  it('has not everything', async () => {
    const reader = await opened(withToken(await cluster({ objects: {} })))
    expect(await reader.read(version)).toBeUndefined()
  })

  it('is asked again when it is busy', async () => {
    let times = 0
    const wrong = () => (++times < 3 ? { status: times === 1 ? 503 : 429, body: 'busy' } : undefined)
    const reader = await opened(withToken(await cluster({ wrong })), { attempts: 3 })
    expect(await reader.read(version)).toEqual(clusterVersion())
    expect(times).toBe(3)
  })
})

describe('a cluster that cannot be read', () => {
  const refused = async (code: Parameters<typeof expectToolError>[0], access: ClusterAccess, place = version) =>
    await expectToolError(code, async () => await (await opened(access)).read(place))

  it('a right that lacks is named', async () => {
    const double = await cluster({ users: [{ ...robot, may: /clusterversions/ }] })
    expect(await refused('CLUSTER_DENIED', withToken(double), configMap)).toMatchObject({
      message: 'the credentials may not read an object of the cluster',
      found: expect.stringMatching(/^status 403: configmaps is forbidden/),
      wanted:
        'the right to get configmaps, name machine-config-osimageurl in namespace openshift-machine-config-operator',
    })
    const none = await cluster({ users: [{ ...robot, may: /^$/ }] })
    expect(await refused('CLUSTER_DENIED', withToken(none))).toMatchObject({
      wanted: 'the right to get clusterversions.config.openshift.io, name version',
    })
  })

  it('a token that the cluster does not know', async () => {
    const { url } = await cluster()
    const error = await refused('CLUSTER_DENIED', text({ server: url, token: 'other-token' }))
    expect(error).toMatchObject({ found: 'status 401: Unauthorized', hint: 'log in again and use the new kubeconfig' })
    expect(JSON.stringify({ ...error, cause: undefined })).not.toContain('other-token')
  })

  it('a client certificate that has expired, before anybody is asked', async () => {
    const double = await cluster()
    const access = text({ server: double.url, certificate: { name: 'admin', until: 2021 } })
    expect(await refused('CLUSTER_DENIED', access)).toMatchObject({
      message: 'the client certificate of the kubeconfig has expired',
      found: '2021-01-01T00:00:00.000Z',
    })
    expect(double.log).toEqual([])
  })

  it('a server whose certificate has expired', async () => {
    const error = await refused('CLUSTER_UNREACHABLE', withToken(await cluster({ until: 2021 })))
    expect(error).toMatchObject({ message: 'the certificate of the cluster’s API server has expired' })
  })

  it('a server that another authority vouches for, or another name', async () => {
    const { url } = await cluster()
    const stranger = await refused('CLUSTER_UNREACHABLE', text({ server: url, token: 'a', withoutAuthority: true }))
    expect(stranger.message).toBe('the certificate of the cluster’s API server is not trusted')
    const elsewhere = url.replace('localhost', '127.0.0.1')
    const named = await refused('CLUSTER_UNREACHABLE', text({ server: elsewhere, token: robot.token }))
    expect(named).toMatchObject({ message: stranger.message, found: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  it('a port where nobody listens', async () => {
    const server = createServer()
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    await new Promise(done => server.close(done))
    const port = typeof address === 'object' ? address?.port : 0
    const error = await refused('CLUSTER_UNREACHABLE', text({ server: `https://localhost:${port}`, token: 'a' }))
    expect(error).toMatchObject({ found: 'ECONNREFUSED', where: { source: `https://localhost:${port}` } })
  })

  it('a server that never answers', async () => {
    const server = createServer(socket => socket.on('error', () => undefined))
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const access = text({ server: `https://localhost:${port}`, token: 'a' })
    const error = await expectToolError('CLUSTER_UNREACHABLE', async () =>
      (await opened(access, { timeoutMs: 100 })).read(version),
    )
    expect(error.found).toBe('ETIMEDOUT')
    server.close()
  })

  it.each([
    ['a page for people', '<html>', 'CLUSTER_INVALID'],
    ['more than any object has', ' '.repeat(9 * 1024 * 1024), 'CEILING_REACHED'],
  ] as const)('%s', async (_, body, code) => {
    await refused(code, withToken(await cluster({ wrong: () => ({ status: 200, body }) })))
  })
})

describe('a kubeconfig that cannot be used', () => {
  const server = 'https://localhost:1'
  it.each([
    ['is not there', { kind: 'kubeconfig-files', paths: '/nowhere/kubeconfig' }, 'ENOENT'],
    [
      'is no YAML',
      { kind: 'kubeconfig-text', text: '{secret' },
      'it is no kubeconfig, or names files that are not there',
    ],
    ['has no contexts', { kind: 'kubeconfig-text', text: 'kind: Config\n' }, 'it has no current-context that is there'],
    [
      'names another context',
      text({ server, token: 'a', currentContext: 'other' }),
      'it has no current-context that is there',
    ],
    [
      'runs a program',
      text({ server, user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'touch' } } }),
      'its user logs in by a program or a plug-in (exec, auth-provider)',
    ],
    [
      'names a file that is not there',
      text({ server, cluster: { 'certificate-authority': '/nowhere' }, withoutAuthority: true }),
      'ENOENT',
    ],
  ] as const)('%s', async (_, access, found) => {
    const error = await expectToolError('KUBECONFIG_INVALID', opened(access))
    expect(error.found).toBe(found)
    expect(renderText(error)).not.toMatch(/secret|kubeconfig-files|nowhere.kubeconfig/)
  })

  it('has no pod around it', async () => {
    const error = await expectToolError('KUBECONFIG_INVALID', opened({ kind: 'in-cluster' }))
    expect(error.found).toBe('this does not run in a pod: KUBERNETES_SERVICE_HOST is not set')
  })

  it('asks for no look at certificates, unless allow-insecure says so', async () => {
    const double = await cluster()
    const access = text({
      server: double.url,
      token: robot.token,
      withoutAuthority: true,
      cluster: { 'insecure-skip-tls-verify': true },
    })
    await expectToolError('INSECURE_NOT_ALLOWED', opened(access))
    const reader = await opened(access, { allowInsecure: true })
    expect(await reader.read(version)).toEqual(clusterVersion())
    await expectToolError(
      'INSECURE_NOT_ALLOWED',
      opened(text({ server: 'http://localhost:1' }), { allowInsecure: true }),
    )
  })
})
