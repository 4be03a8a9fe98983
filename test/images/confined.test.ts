// `predict docker://…` as uid 65534, without podman or any other program, where a proxy is the only way out.

import { copyFile, cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PredictionDocument } from '../../src/predict/prediction.ts'
import { type Confinement, confine } from '../build/confinement.ts'
import { DockerRegistry } from '../build/docker-registry.ts'
import { imageHistory } from '../build/image-history.ts'
import { grubTree, imageOf } from '../build/predict-runs.ts'
import { makePrivateAuthority, type PrivateAuthority } from '../build/private-authority.ts'
import { startProxy, type TestProxy } from '../build/proxy.ts'

const login = { user: 'tester', password: 'secret' }

let confined: Confinement
let outside: string
let authority: PrivateAuthority
let secured: DockerRegistry
let open: DockerRegistry
let history: ReturnType<typeof imageHistory>
const proxies: TestProxy[] = []
beforeAll(async () => {
  confined = await confine()
  outside = await mkdtemp(join(tmpdir(), 'confined-outside-'))
  authority = await makePrivateAuthority(outside, ['registry.example'])
  await copyFile(authority.authority, join(confined.root, 'ca.pem'))
  secured = await DockerRegistry.start(login, authority)
  open = await DockerRegistry.start()
  history = imageHistory('confined', outside)
  await history.write()
  await cp((history.rack.at(-1) ?? '').replace('rack=', ''), join(confined.root, 'rack'), { recursive: true })
  const image = imageOf(grubTree(history.imageAt(0).files))
  await secured.add('team/os', image, 'v1')
  await open.add('team/os', image, 'v1')
  const auths = { 'registry.example': { auth: btoa(`${login.user}:${login.password}`) } }
  await writeFile(join(confined.root, 'auth.json'), JSON.stringify({ auths }))
})
afterAll(async () => {
  for (const proxy of proxies) await proxy.close()
  await secured?.stop()
  await open?.stop()
  await confined?.remove()
  await rm(outside, { recursive: true, force: true })
})

const proxyTo = async (registry: DockerRegistry) => {
  const proxy = await startProxy(Number(registry.host.split(':')[1]), { address: confined.address })
  proxies.push(proxy)
  return proxy
}
const predict = (name: string, environment: Record<string, string>, ...words: readonly string[]) => {
  const what = ['--image', `docker://${name}/team/os:v1`, '--platform', 'rack=/rack']
  return confined.runCli(['predict', '--json', '--quiet', ...what, ...words], environment)
}
const secrets = ['--ca-bundle', '/ca.pem', '--pull-secret-file', '/auth.json']
const expectBooted = ({ predictions }: PredictionDocument) => {
  const values = predictions.map(({ pcrs }) => Object.entries(pcrs).map(([pcr, { sha256 }]) => [pcr, sha256]))
  const booted = history.bootOf(0, 0)
  expect(values).toEqual([['4', '7', '14'].map(pcr => [pcr, booted[pcr]])])
}

it('the place is what it should be: nobody, no programs, one address', async () => {
  const code = `
    const fs = require('node:fs'), net = require('node:net'), { execFileSync } = require('node:child_process')
    const missing = name => { try { execFileSync(name); return false } catch (error) { return error.code === 'ENOENT' } }
    const dial = host => new Promise(done => net.connect(${new URL(`http://${secured.host}`).port}, host)
      .on('connect', () => done('reached')).on('error', ({ code }) => done(code)))
    const links = Object.keys(require('node:os').networkInterfaces()).length
    Promise.all(['127.0.0.1', '192.0.2.1'].map(dial)).then(dialled => console.log(JSON.stringify({
      uid: process.getuid(), groups: process.getgroups(), root: fs.readdirSync('/').sort(), links,
      missing: ['podman', 'buildah', 'skopeo', 'sh', 'ip'].every(missing), dialled })))`
  const { stdout, stderr } = await confined.evaluate(code)
  expect(JSON.parse(stdout || stderr)).toEqual({
    uid: 65534,
    groups: [65534],
    root: ['auth.json', 'ca.pem', 'dist', 'etc', 'lib', 'lib64', 'node', 'rack', 'tmp'],
    links: 2,
    missing: true,
    dialled: ['ECONNREFUSED', 'ENETUNREACH'],
  })
})

it('predicts from a registry with a password and a private authority, through the proxy alone', async () => {
  const proxy = await proxyTo(secured)
  const { exitCode, stdout, stderr } = await predict('registry.example', { HTTPS_PROXY: proxy.url }, ...secrets)
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  const document: PredictionDocument = JSON.parse(stdout)
  expectBooted(document)
  expect(document.image).toMatchObject({ digest: history.imageAt(0).digest, proof: 'all-layers' })
  expect(proxy.requests.length).toBeGreaterThan(0)
  expect(new Set(proxy.requests)).toEqual(new Set(['CONNECT registry.example:443']))
})

it('predicts from a registry of plain http, where that is allowed, through the proxy of HTTP_PROXY', async () => {
  const proxy = await proxyTo(open)
  const environment = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url }
  const { exitCode, stdout, stderr } = await predict('plain.example:81', environment, '--allow-insecure')
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expectBooted(JSON.parse(stdout))
  const [first, ...more] = new Set(proxy.requests)
  expect(first).toBe('CONNECT plain.example:81')
  expect(more[0]).toBe('GET http://plain.example:81/v2/')
  expect(more).toContain('GET http://plain.example:81/v2/team/os/manifests/v1')
})

it.concurrent.each([
  ['without the proxy', {}, secrets, 'REGISTRY_UNREACHABLE'],
  ['without the authority', { proxied: true }, secrets.slice(2), 'REGISTRY_UNREACHABLE'],
  ['without the password', { proxied: true }, secrets.slice(0, 2), 'REGISTRY_DENIED'],
  ['with NO_PROXY for the registry', { proxied: true, NO_PROXY: '.example' }, secrets, 'REGISTRY_UNREACHABLE'],
])('does not predict %s', async (_, { proxied, ...more }: Record<string, string | boolean>, words, code) => {
  const proxy = await proxyTo(secured)
  const environment = { ...(proxied ? { HTTPS_PROXY: proxy.url } : {}), ...more } as Record<string, string>
  const run = await predict('registry.example', environment, ...words)
  expect(run.exitCode).toBe(1)
  expect(run.stderr).toMatch(new RegExp(`^${code}: `, 'm'))
  if (!proxied || more.NO_PROXY) expect(proxy.requests).toEqual([])
})
