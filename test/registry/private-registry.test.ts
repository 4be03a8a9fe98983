// Debian's docker-registry with a password and TLS from a private authority, reached by the settings that commands take.

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registryOf } from '../../src/commands/open-image.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import type { RegistrySettings } from '../../src/settings/settings.ts'
import { DockerRegistry } from '../build/docker-registry.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { makePrivateAuthority, type PrivateAuthority } from '../build/private-authority.ts'
import { startProxy } from '../build/proxy.ts'

const run = promisify(execFile)
const noise = new Uint8Array(2_000_000).map((_, i) => (i * i) >> 5)
const image = makeImage({ layers: [makeLayer([file('a', noise)], { compression: 'none' })] })

let directory: string
let authority: PrivateAuthority
let registry: DockerRegistry
let pullSecret: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'private-registry-'))
  authority = await makePrivateAuthority(directory)
  registry = await DockerRegistry.start({ user: 'tester', password: 'secret' }, authority)
  pullSecret = JSON.stringify({ auths: { [registry.host]: { auth: btoa('tester:secret') } } })
})
afterAll(async () => {
  await registry.stop()
  await rm(directory, { recursive: true })
})

const client = (settings: Partial<RegistrySettings>, secret = pullSecret, environment: Record<string, string> = {}) =>
  registryOf({ HOME: directory, ...environment }, { allowInsecure: false, ...settings }, { pullSecret: secret })
const reference = (host = registry.host) => parseImageReference(`${host}/team/image:v1`)

describe('docker-registry with a private authority', () => {
  it('takes an image and gives it back', async () => {
    const opened = await client({ caBundle: authority.authority })
    await writeLayout(image, join(directory, 'layout'))
    const layout = await openLayout(join(directory, 'layout'), { architecture: 'amd64' })
    await opened.pushImage(layout, { registry: registry.host, repository: 'team/image' }, { tag: 'v1' })
    const pulled = await opened.openImage(reference(), 'amd64')
    expect(pulled.digest).toBe(image.digest)
    const chunks: Uint8Array[] = []
    for (const layer of pulled.manifest.layers) for await (const chunk of pulled.openLayer(layer)) chunks.push(chunk)
    expect(Buffer.compare(concat(chunks), image.layers[0]?.bytes ?? new Uint8Array())).toBe(0)
    expect(opened.insecureHosts()).toEqual([])
  })

  it.each([
    ['--ca-bundle and --pull-secret-file', true, {}, 'KERNEL_MISSING'],
    [
      'SSL_CERT_FILE and REGISTRY_AUTH_FILE',
      false,
      { SSL_CERT_FILE: 'ca.pem', REGISTRY_AUTH_FILE: 'auth.json' },
      'KERNEL_MISSING',
    ],
    ['no authority', false, { REGISTRY_AUTH_FILE: 'auth.json' }, 'REGISTRY_UNREACHABLE'],
    ['no password', false, { SSL_CERT_FILE: 'ca.pem' }, 'REGISTRY_DENIED'],
  ])('opens to a process with %s', async (_name, options, files, code) => {
    await writeFile(join(directory, 'auth.json'), pullSecret)
    const words = options
      ? ['--ca-bundle', authority.authority, '--pull-secret-file', join(directory, 'auth.json')]
      : []
    const paths = Object.entries(files).map(([name, path]) => [name, join(directory, path)])
    const env = { PATH: process.env.PATH, HOME: directory, ...Object.fromEntries(paths) }
    const cli = join(import.meta.dirname, '../../src/cli.ts')
    const image = `docker://${registry.host}/team/image:v1`
    // the image has nothing to boot, which is known only to who could read it
    const failed = run(process.execPath, [cli, 'boot-files', '--image', image, '--json', ...words], {
      env,
      cwd: directory,
    })
    const { stdout } = (await failed.catch((error: unknown) => error)) as { stdout: string }
    expect(JSON.parse(stdout).errors.map((one: { code: string }) => one.code)).toContain(code)
  })

  it('refuses a wrong password, and none', async () => {
    const wrong = JSON.stringify({ auths: { [registry.host]: { auth: btoa('tester:guess') } } })
    for (const secret of [wrong, '{}']) {
      const opened = await client({ caBundle: authority.authority }, secret)
      await expectToolError('REGISTRY_DENIED', opened.resolveDigest(reference()))
    }
  })

  it('takes the pull secret from a file', async () => {
    const path = join(directory, 'pull-secret.json')
    await writeFile(path, pullSecret)
    const opened = await client({ caBundle: authority.authority }, path)
    expect(await opened.resolveDigest(reference())).toBe(image.digest)
  })

  it('may be insecure by registries.conf, and stand in for another name', async () => {
    const path = join(directory, 'registries.conf')
    await writeFile(path, `[[registry]]\nprefix = "quay.example"\nlocation = "${registry.host}"\ninsecure = true\n`)
    const opened = await client({ registriesConf: path })
    expect(await opened.resolveDigest(reference('quay.example'))).toBe(image.digest)
    expect(opened.insecureHosts()).toEqual([registry.host])
  })

  it('is reached through a proxy that learns its name only', async () => {
    const proxy = await startProxy(Number(registry.host.split(':')[1]))
    try {
      const path = join(directory, 'proxied.conf')
      // the certificate is for another name, so that this registry is insecure
      await writeFile(path, '[[registry]]\nlocation = "registry.example"\ninsecure = true\n')
      const secret = JSON.stringify({ auths: { 'registry.example': { auth: btoa('tester:secret') } } })
      const opened = await client({ registriesConf: path }, secret, { HTTPS_PROXY: proxy.url })
      expect(await opened.resolveDigest(reference('registry.example'))).toBe(image.digest)
      expect(new Set(proxy.requests)).toEqual(new Set(['CONNECT registry.example:443']))
    } finally {
      await proxy.close()
    }
  })
})
