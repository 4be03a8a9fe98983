import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { cleanEnvironment, runCommand, withoutProxies } from '../../src/edge/builder/command.ts'
import { confinements } from '../../src/edge/builder/confinement.ts'
import { builderFailure } from '../../src/edge/builder/failure.ts'
import { preparePull, removePull } from '../../src/edge/builder/pull-access.ts'
import { makeRunDirectory, privateStorage } from '../../src/edge/builder/storage.ts'
import { buildImage, findBuilders } from '../../src/edge/builder.ts'
import { ToolError } from '../../src/errors.ts'
import { expectToolError } from '../build/expect-error.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'builder-'))
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true })
})

function program(name: string, script: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(directory, name), 0o755)
}

describe('the environment of the builder', () => {
  it('has what leads to tools, credentials and registries, and no token', () => {
    const kept = {
      PATH: '/usr/bin',
      HOME: '/home/me',
      XDG_RUNTIME_DIR: '/run/user/1',
      REGISTRY_AUTH_FILE: '/auth.json',
      CONTAINERS_REGISTRIES_CONF: '/registries.conf',
      HTTPS_PROXY: 'http://proxy:1',
      no_proxy: 'localhost',
      SSL_CERT_FILE: '/ca.pem',
    }
    const dropped = {
      GITHUB_TOKEN: 'secret',
      GITOPS_TOKEN: 'secret',
      'INPUT_GITOPS-TOKEN': 'secret',
      ACTIONS_RUNTIME_TOKEN: 'secret',
      KUBECONFIG: '/k',
      BUILDAH_ISOLATION: 'chroot',
      NODE_OPTIONS: '--require x',
      LD_PRELOAD: 'x',
    }
    expect(cleanEnvironment({ ...kept, ...dropped, LANG: undefined })).toEqual(kept)
  })

  it('loses its proxies for commands without network', () => {
    expect(withoutProxies({ PATH: '/bin', http_proxy: 'a', HTTPS_PROXY: 'b', NO_PROXY: 'c' })).toEqual({ PATH: '/bin' })
  })
})

describe('running a program', () => {
  it('gives exit status, output and the last lines of both streams, and passes them on as they come', async () => {
    program('both', 'echo out; echo err >&2; seq 1 50; exit 3')
    const chunks: Buffer[] = []
    const options = { environment: { PATH: '/usr/bin:/bin' }, write: (chunk: Buffer) => chunks.push(chunk) }
    const result = await runCommand([join(directory, 'both')], {
      ...options,
      write: chunk => void options.write(chunk),
    })
    expect(result?.exitCode).toBe(3)
    expect(result?.output.startsWith('out\n')).toBe(true)
    expect(result?.lastLines).toHaveLength(20)
    // two pipes: which of them is read first is not known
    expect(result?.lastLines).toContain('50')
    expect(Buffer.concat(chunks).toString()).toContain('err\n')
  })

  it('passes arguments as they are', async () => {
    program('count', 'for word; do echo "[$word]"; done')
    const result = await runCommand([join(directory, 'count'), 'a b', '', '$(id)', '"'], {
      environment: { PATH: '/usr/bin:/bin' },
    })
    expect(result?.output).toBe('[a b]\n[]\n[$(id)]\n["]\n')
  })

  it('is undefined for a program that is not there', async () => {
    expect(await runCommand(['no-such-program-anywhere'], { environment: {} })).toBeUndefined()
  })
})

describe('the builders that are installed', () => {
  it('are found by running them', async () => {
    program('buildah', 'echo "buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)"')
    program('podman', 'exit 1')
    vi.stubEnv('PATH', directory)
    expect(await findBuilders('auto', { PATH: directory })).toEqual([{ name: 'buildah', version: '1.28.2' }])
  })

  it.each(['auto', 'podman'] as const)('are an error when there is none for %s', async choice => {
    vi.stubEnv('PATH', directory)
    const error = await findBuilders(choice, {}).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ToolError)
    expect(error).toMatchObject({
      code: 'BUILDER_NOT_FOUND',
      wanted: choice === 'auto' ? 'podman or buildah or docker' : 'podman',
    })
  })
})

describe('a machine of another architecture than the image', () => {
  it('is refused when the builder is chosen, before anything is downloaded', async () => {
    program('podman', 'echo podman version 5.0.0')
    vi.stubEnv('PATH', directory)
    const other = process.arch === 's390x' ? 'amd64' : 's390x'
    const error = await expectToolError('BUILDER_NOT_FOUND', findBuilders('podman', { PATH: directory }, other))
    expect(error.wanted).toBe(other)
    const own = { x64: 'amd64', arm64: 'arm64' }[process.arch as string]
    expect(await findBuilders('podman', { PATH: directory }, own)).toEqual([{ name: 'podman', version: '5.0.0' }])
  })
})

describe('pulling the base', () => {
  it.each([
    [true, ['--tls-verify=false']],
    [false, []],
  ] as const)('is tried once; without TLS only where the registry has none: %s', async (insecureRegistry, words) => {
    const log = join(directory, 'log')
    program('podman', `echo "$*" >> ${log}\ncase "$*" in *" pull "*) exit 125;; esac`)
    vi.stubEnv('PATH', directory)
    const reference = { registry: 'quay.example', repository: 'os', digest: `sha256:${'a'.repeat(64)}` } as const
    const request = {
      builders: [{ name: 'podman' as const, version: '5' }],
      base: reference,
      contextDirectory: directory,
      containerfile: '',
      layoutDirectory: join(directory, 'layout'),
      workDirectory: directory,
      insecureRegistry,
      sourceDateEpoch: undefined,
      environment: { PATH: directory },
      write: () => undefined,
    }
    await expectToolError('IMAGE_NOT_FOUND', buildImage(request))
    const pulls = readFileSync(log, 'utf8')
      .split('\n')
      .filter(line => line.includes(' pull '))
      .map(line => line.split(' pull ')[1])
    expect(pulls).toEqual([[...words, `quay.example/os@${reference.digest}`].join(' ')])
  })
})

describe('a pull that needs more than the builder knows', () => {
  const base = { registry: 'quay.example', repository: 'os/base', digest: `sha256:${'a'.repeat(64)}` } as const

  it('gets our credentials, registries.conf and authorities', async () => {
    writeFileSync(join(directory, 'ca.pem'), 'certificates')
    const { options, environment } = await preparePull(
      {
        pullSecret: JSON.stringify({ auths: { 'mirror.example': { auth: 'bTpt' } }, credsStore: 'x' }),
        credential: { kind: 'password', username: 'user', password: 'secret' },
        registriesConf: join(directory, 'registries.conf'),
        caBundle: join(directory, 'ca.pem'),
      },
      base,
      directory,
    )
    expect(environment).toEqual({ CONTAINERS_REGISTRIES_CONF: join(directory, 'registries.conf') })
    const [first, authFile = '', second, certificates = ''] = options
    expect([first, second]).toEqual(['--authfile', '--cert-dir'])
    expect(JSON.parse(readFileSync(authFile, 'utf8'))).toEqual({
      auths: { 'mirror.example': { auth: 'bTpt' }, 'quay.example/os/base': { auth: btoa('user:secret') } },
    })
    expect(statSync(authFile).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(certificates, 'ca.crt'), 'utf8')).toBe('certificates')
    await removePull(directory)
    expect(existsSync(authFile)).toBe(false)
  })

  it('is left alone otherwise', async () => {
    const nothing = { pullSecret: undefined, credential: undefined, registriesConf: undefined, caBundle: undefined }
    expect(await preparePull(nothing, base, directory)).toEqual({ options: [], environment: {} })
  })
})

describe('ways to keep a build from the network', () => {
  const storage = privateStorage('podman', { directory: '/work', runDirectory: '/run/short' }, 'overlay')

  it('has host network only as the last one, and says so', () => {
    expect(confinements('podman', storage, false).map(({ isolation, network }) => [isolation, network])).toEqual([
      ['oci', 'none'],
      ['chroot', 'none'],
      ['chroot', 'host'],
    ])
  })

  it('makes the network namespace within the user namespace of the builder for other users than root', () => {
    const [, namespace] = confinements('podman', storage, true)
    expect(namespace?.prefix).toEqual(['podman', ...storage.options, 'unshare', 'unshare', '--net', '--'])
  })
})

describe('the directory for mounts and locks', () => {
  it('is short enough for podman, however long the path for temporary files is', async () => {
    const long = join(directory, 'a-runner-with-a-long-name', '_temp')
    mkdirSync(long, { recursive: true })
    for (const temporary of [directory, long, tmpdir()]) {
      const made = await makeRunDirectory(temporary)
      expect(join(made, 'overlay').length, made).toBeLessThanOrEqual(50)
      expect(readdirSync(made)).toEqual([])
      rmSync(made, { recursive: true })
    }
    expect(readdirSync(long)).toEqual([])
  })
})

describe('a failure of the builder', () => {
  const failure = (line: string) =>
    builderFailure('BUILD_FAILED', 'podman cannot build', {
      exitCode: 125,
      output: '',
      lastLines: ['STEP 2/2', '', line],
    })

  it('shows exit status and last lines', () => {
    expect(failure('error: something new').found).toBe('exit status 125\nSTEP 2/2\nerror: something new')
    expect(failure('error: something new').hint).toBeUndefined()
  })

  it.each([
    ['error: This system was not booted via libostree; found container=podman environment variable', 'dnf way'],
    ['error: Preparing filesystem for scripts: Operation not supported (os error 95)', 'fedora-coreos-tracker#2213'],
    ['Error during unshare(CLONE_NEWUSER): No space left on device', 'user.max_user_namespaces'],
    ['Error: cannot re-exec process', 'user.max_user_namespaces'],
    ['Error: no subuid ranges found for user "me" in /etc/subuid', 'usermod --add-subuids'],
    ['error setting supplemental groups list: operation not permittedsubprocess exited', 'usermod --add-subuids'],
    ['write /var/tmp/x: no space left on device', 'free some space'],
    ['error: writing: No space left on device (os error 28)', 'free some space'],
    ['exec container process `/bin/sh`: Exec format error', 'another architecture'],
    ['the --mount option requires BuildKit.', 'docker-buildx'],
    ['ERROR: BuildKit is enabled but the buildx component is missing or broken.', 'docker-buildx'],
    ['dracut[E]: Failed to install module ostree', 'initramfs'],
    ['dracut: FAILED: /usr/lib/dracut/dracut-install -D /tmp/x', 'initramfs'],
    ['reading manifest: unauthorized: authentication required', 'pull-secret'],
    ['Error response from daemon: pull access denied for base, repository does not exist', 'pull-secret'],
    ['x509: certificate signed by unknown authority', 'ca-bundle'],
    ['tls: failed to verify certificate: x509: certificate has expired or is not yet valid', 'has expired'],
    ['Curl error (56): sslv3 alert certificate expired', 'has expired'],
    ['Error: chown /var: operation not supported', 'ext4 or xfs'],
  ])('explains %j', (line, hint) => {
    expect(failure(line).hint).toContain(hint)
  })

  it('says when the program could not be started', () => {
    expect(builderFailure('BUILD_FAILED', 'x', undefined).found).toBe('the program cannot be started')
  })
})
