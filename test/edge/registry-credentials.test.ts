// Where credentials come from: files in podman's order, entries by the longest prefix, and helpers that are programs of the user.

import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askCredentialHelper } from '../../src/edge/credential-program.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { readRegistryCredentials } from '../../src/edge/registry-credentials.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage } from '../build/oci-layout.ts'
import { startRegistry } from '../build/registry.ts'

let home: string
let path: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'credentials-'))
  path = `${join(home, 'bin')}:${process.env.PATH}`
})
afterEach(() => rm(home, { recursive: true }))

const put = async (name: string, content: object) => {
  await mkdir(dirname(join(home, name)), { recursive: true })
  await writeFile(join(home, name), JSON.stringify(content))
}
const entry = (user: string) => ({ auth: btoa(`${user}:secret`) })

/** A helper in sh; what it is given stands in the file `asked`. */
async function helper(name: string, script: string): Promise<void> {
  const program = join(home, 'bin', `docker-credential-${name}`)
  await mkdir(dirname(program), { recursive: true })
  await writeFile(program, `#!/bin/sh\nread -r server\nprintf '%s %s\\n' "$*" "$server" >> ${home}/asked\n${script}\n`)
  await chmod(program, 0o755)
}
const says = (username: string, secret: string) =>
  `printf '{"ServerURL":"%s","Username":"${username}","Secret":"${secret}"}' "$server"`
const asked = async () => (await readFile(join(home, 'asked'), 'utf8')).trimEnd().split('\n')

const credentials = (environment: Record<string, string> = {}, pullSecret?: object) =>
  readRegistryCredentials({
    environment: { HOME: home, PATH: path, ...environment },
    ...(pullSecret === undefined ? {} : { pullSecret: JSON.stringify(pullSecret) }),
  })
const userFor = async (from: ReturnType<typeof credentials>, registry: string, repository = 'a/b') => {
  const found = await (await from).find(registry, repository)
  return found?.kind === 'registry-token' ? 'token' : found?.username
}

describe('files', () => {
  it('are asked in podman’s order, the pull secret first, and each one whole', async () => {
    await put('.docker/config.json', { auths: { 'r.example': entry('docker'), 'd.example': entry('docker') } })
    expect(await userFor(credentials(), 'r.example')).toBe('docker')
    await put('.config/containers/auth.json', { auths: { 'r.example': entry('podman') } })
    expect(await userFor(credentials(), 'r.example')).toBe('podman')
    expect(await userFor(credentials(), 'd.example')).toBe('docker')
    await put('run/containers/auth.json', { auths: { 'r.example': entry('login') } })
    expect(await userFor(credentials({ XDG_RUNTIME_DIR: join(home, 'run') }), 'r.example')).toBe('login')
    await put('other/config.json', { auths: { 'd.example': entry('other') } })
    expect(await userFor(credentials({ DOCKER_CONFIG: join(home, 'other') }), 'd.example')).toBe('other')
    const secret = { auths: { 'r.example': entry('cluster') } }
    expect(await userFor(credentials({}, secret), 'r.example')).toBe('cluster')
    expect(await userFor(credentials({}, secret), 'd.example')).toBe('docker')
    await put('auth.json', { auths: { 'x.example': entry('named') } })
    const named = { REGISTRY_AUTH_FILE: join(home, 'auth.json') }
    expect(await userFor(credentials(named), 'x.example')).toBe('named')
    expect(await userFor(credentials(named), 'r.example')).toBeUndefined()
  })

  it.each([{ credHelpers: { r: '../x' } }, { credHelpers: { r: '' } }, { credsStore: '/bin/sh' }, { credsStore: 1 }])(
    'with %j are refused: a helper is the end of a program’s name',
    async config => {
      await put('.docker/config.json', config)
      await expectToolError('INPUT_INVALID', credentials())
    },
  )
})

describe('helpers', () => {
  it('are asked for what they are named for, once, and the store for the rest', async () => {
    await helper('one', says('one', 's'))
    await helper('all', says('all', 's'))
    await put('.docker/config.json', {
      auths: { 'file.example': entry('file'), 'all.example': {} },
      credHelpers: { 'one.example': 'one', 'one.example/team': 'all' },
      credsStore: 'all',
    })
    const from = credentials()
    expect(await userFor(from, 'one.example')).toBe('one')
    expect(await userFor(from, 'one.example')).toBe('one')
    expect(await userFor(from, 'one.example', 'team/image')).toBe('all')
    expect(await userFor(from, 'file.example')).toBe('file')
    expect(await userFor(from, 'docker.io')).toBe('all')
    expect(await asked()).toEqual(['get one.example', 'get one.example/team', 'get https://index.docker.io/v1/'])
    expect(JSON.stringify(await from)).toBe('"***"')
  })

  it('may give an identity token', async () => {
    await helper('one', says('<token>', 'refresh'))
    const found = await askCredentialHelper('one', 'r.example', { PATH: path })
    expect(found).toEqual({ kind: 'identity-token', username: '<token>', identityToken: 'refresh' })
  })

  it.each([
    ['fails', 'echo credentials not found in native keychain; exit 1', 'exit code 1'],
    ['says nothing', '', 'an answer without credentials'],
    ['says no JSON', 'echo hello', 'an answer without credentials'],
    ['gives no secret', says('one', ''), 'an answer without credentials'],
    ['is killed', 'kill -9 $$', 'SIGKILL'],
    ['never ends', 'sleep 60', 'no answer after 0.3 s'],
    ['never stops talking', 'yes', 'more than 262144 bytes'],
  ])('that %s has no credentials', async (_name, script, fault) => {
    await helper('one', script)
    const found = await askCredentialHelper(
      'one',
      'r.example',
      { PATH: path },
      { timeoutMs: fault.startsWith('no answer') ? 300 : 10_000 },
    )
    expect(found).toEqual({ kind: 'none', fault })
  })

  it('do not get our inputs and token, but the rest of the environment', async () => {
    await helper('one', `printf '{"Username":"%s","Secret":"s"}' "$INPUT_X-$GITOPS_TOKEN-$CLOUD"`)
    const environment = { PATH: path, INPUT_X: 'x', GITOPS_TOKEN: 'token', CLOUD: 'cloud' }
    expect(await askCredentialHelper('one', 'r.example', environment)).toMatchObject({ username: '--cloud' })
  })

  it('that a pull secret names are not run', async () => {
    await helper('one', says('one', 's'))
    const from = credentials({}, { credHelpers: { 'r.example': 'one' }, credsStore: 'one' })
    expect(await userFor(from, 'r.example')).toBeUndefined()
    await expect(asked()).rejects.toThrow('ENOENT')
  })

  it('open a registry, and are named when they do not', async () => {
    const auth = { kind: 'bearer', username: 'tester', password: 'secret' } as const
    const registry = await startRegistry({ auth })
    try {
      const image = makeImage({ layers: [makeLayer([file('a', 'a')])] })
      registry.add('team/image', image, 'v1')
      const reference = parseImageReference(`${registry.host}/team/image:v1`)
      const resolve = async () =>
        await openRegistry({ allowInsecure: true, credentials: await credentials() }).resolveDigest(reference)
      await put('.docker/config.json', { credHelpers: { [registry.host]: 'one' } })
      const error = await expectToolError('REGISTRY_DENIED', resolve())
      expect(error.hint).toBe('no credentials came from docker-credential-one: ENOENT')
      await helper('one', says('tester', 'secret'))
      expect(await resolve()).toBe(image.digest)
    } finally {
      await registry.close()
    }
  })
})
