// Kernel repositories behind lists of mirrors, for subscribers only, half synchronised or gone back: what the bundled Action and CLI make of them.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeBaseImage } from '../build/base-image.ts'
import { type FileServer, serveFiles } from '../build/file-server.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { makeMetalink } from '../build/metalink.ts'
import { expectRefused } from '../build/refusal.ts'
import { makeRepository } from '../build/rpm-repository.ts'
import { authorityPem, tlsCertificate } from '../build/tls-certificate.ts'
import { obeyedCommands } from '../build/workflow-commands.ts'

const seed = 'e2e-repositories'
const kernel = (release: string) => makeKernelRpms({ seed, version: '5.14.0', release })
const newer = kernel('605.el9')
const bytesOf = (packages: typeof newer) => packages.map(({ bytes }) => bytes)
const now = makeRepository({ packages: bytesOf(newer) })
const before = makeRepository({ packages: bytesOf(kernel('600.el9')) })
const repomd = now.get('repodata/repomd.xml') ?? new Uint8Array()
const server = tlsCertificate('localhost', 'server')

/** Holds the image to propose; each test has a world of its own. */
let library: LoopbackWorld
let image: string
beforeAll(async () => {
  library = await LoopbackWorld.start({ base: await makeBaseImage({ seed }) })
  image = await library.assemble(newer)
})
afterAll(() => library.stop())

/** A world whose registry may be plain http by registries.conf, so that nothing else may. */
async function inWorld(
  work: (
    world: LoopbackWorld,
    inputs: Readonly<Record<string, string>>,
    open: (server: Promise<FileServer>) => Promise<FileServer>,
  ) => Promise<void>,
): Promise<void> {
  await LoopbackWorld.during({ base: library.base }, async world => {
    const [conf, authority] = [join(world.directory, 'registries.conf'), join(world.directory, 'ca.pem')]
    writeFileSync(conf, `[[registry]]\nlocation = "${world.registry.host}"\ninsecure = true\n`)
    writeFileSync(authority, authorityPem)
    const servers: FileServer[] = []
    const open = async (starting: Promise<FileServer>) => {
      const started = await starting
      servers.push(started)
      return started
    }
    try {
      const inputs = { image, 'allow-insecure': '', 'registries-conf': conf, 'kernel-repository-ca': authority }
      await work(world, inputs, open)
    } finally {
      for (const one of servers) await one.close()
    }
  })
}

const lists = (files: Readonly<Record<string, Uint8Array | string>>) =>
  serveFiles(new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])), undefined, server)
const warningsOf = ({ stdout }: { readonly stdout: string }) =>
  obeyedCommands(stdout)
    .filter(({ name }) => name === 'warning')
    .map(({ line }) => line)
    .join('\n')

describe('a metalink that comes by https', () => {
  it.concurrent('lets mirrors be plain http, and passes over the one that has gone back', () =>
    inWorld(async (world, inputs, open) => {
      const old = await open(serveFiles(before))
      const good = await open(serveFiles(now))
      const metalink = makeMetalink({ mirrors: [old.url, good.url], repomd: [repomd] })
      const list = await open(lists({ metalink }))
      const run = await world.update({ ...inputs, 'kernel-repositories': `metalink=${list.url}/metalink?arch=x86_64` })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'kernel-version': '5.14.0-605.el9.x86_64' })
      expect(warningsOf(run)).toContain('a mirror is passed over')
      expect(warningsOf(run)).toContain(`${old.url}/repodata/repomd.xml`)
      expect(old.requests.filter(path => path.endsWith('.rpm'))).toEqual([])
      const [pullRequest] = world.github.pullRequests
      expect(pullRequest?.body).toContain(good.url)
      expect(pullRequest?.body).not.toContain('allow-insecure: true')
    }))

  it.concurrent('is the measure for all mirrors', () =>
    inWorld(async (world, inputs, open) => {
      const mirrors = [await open(serveFiles(before)), await open(serveFiles(before))].map(({ url }) => url)
      const list = await open(lists({ metalink: makeMetalink({ mirrors, repomd: [repomd] }) }))
      await expectRefused(world, {
        inputs: { ...inputs, 'kernel-repositories': `metalink=${list.url}/metalink` },
        code: 'CHECKSUM_MISMATCH',
        words: ['none of 2 mirrors', 'wanted sha512', ...mirrors],
      })
    }))

  it.concurrent('does not let a package be another one', () =>
    inWorld(async (world, inputs, open) => {
      const wrong = (path: string) => (/core.*rpm$/.test(path) ? { body: Buffer.from('other') } : undefined)
      const mirrors = [await open(serveFiles(now, wrong)), await open(serveFiles(now, wrong))].map(({ url }) => url)
      const list = await open(lists({ metalink: makeMetalink({ mirrors, repomd: [repomd] }) }))
      await expectRefused(world, {
        inputs: { ...inputs, 'kernel-repositories': `metalink=${list.url}/metalink` },
        code: 'CHECKSUM_MISMATCH',
        words: ['none of 2 mirrors', 'kernel-'],
      })
    }))

  it.concurrent('needs leave when it comes by http', () =>
    inWorld(async (world, inputs) => {
      await expectRefused(world, {
        inputs: { ...inputs, 'kernel-repositories': 'metalink=http://127.0.0.1/metalink' },
        code: 'INSECURE_NOT_ALLOWED',
        exitCode: 1,
        words: ['metalink=http://127.0.0.1/metalink', 'allow-insecure'],
      })
    }))
})

describe('a mirror list', () => {
  it.concurrent('goes on to the next mirror', () =>
    inWorld(async (world, inputs, open) => {
      const good = await open(serveFiles(now, undefined, server))
      const text = `# mirrors\nhttps://localhost:1/os\nhttp://127.0.0.1:1/os\n${good.url}\n`
      const list = await open(lists({ mirrors: text }))
      const run = await world.update({ ...inputs, 'kernel-repositories': `mirrorlist=${list.url}/mirrors` })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'kernel-version': '5.14.0-605.el9.x86_64' })
      expect(warningsOf(run)).toContain('https://localhost:1/os/repodata/repomd.xml')
      // it has no hashes, so http is not even tried
      expect(run.stdout).toContain('1 of 3 mirrors are left out, since they use plain http')
      expect(run.stdout).not.toContain('http://127.0.0.1:1/os')
    }))

  it.concurrent('with http mirrors only is refused', () =>
    inWorld(async (world, inputs, open) => {
      const list = await open(lists({ mirrors: 'http://127.0.0.1:1/os\n' }))
      await expectRefused(world, {
        inputs: { ...inputs, 'kernel-repositories': `mirrorlist=${list.url}/mirrors` },
        code: 'INSECURE_NOT_ALLOWED',
        words: ['all mirrors', 'http://127.0.0.1:1/os', 'metalink'],
      })
    }))
})

describe('a repository for subscribers', () => {
  const wanting = { ...server, ca: authorityPem, requestCert: true }
  const good = tlsCertificate('subscriber', 'client')
  const client = ({ cert, key }: typeof good) => ({
    'kernel-repository-client-certificate': cert,
    'kernel-repository-client-key': key,
  })

  it.concurrent('opens to the client certificate, whose key nobody sees', () =>
    inWorld(async (world, inputs, open) => {
      const cdn = await open(serveFiles(now, undefined, wanting))
      const run = await world.update({ ...inputs, ...client(good), 'kernel-repositories': cdn.url })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'kernel-version': '5.14.0-605.el9.x86_64' })
      const secret = good.key.split('\n')[1] ?? ''
      const shown = run.stdout.split('\n').filter(line => !line.startsWith('::add-mask::'))
      for (const text of [shown.join('\n'), run.stderr, run.summary, JSON.stringify(world.github.pullRequests)])
        expect(text).not.toContain(secret)
      const branch = 'refs/heads/attested-os-update/clusters-one/update'
      expect(world.git.text('log', '-p', branch)).not.toContain(secret)
    }))

  it.concurrent('takes certificate and key from files too', () =>
    inWorld(async (world, inputs, open) => {
      const cdn = await open(serveFiles(now, undefined, wanting))
      const [cert, key] = [join(world.directory, 'client.pem'), join(world.directory, 'client-key.pem')]
      writeFileSync(cert, good.cert)
      writeFileSync(key, good.key)
      const run = await world.update({
        ...inputs,
        ...{ command: 'check', image: '', 'image-repository': '', namespace: '', rollout: '' },
        ...client({ cert, key }),
        'kernel-repositories': cdn.url,
      })
      expect(run.exitCode, run.stdout).toBe(0)
      expect(run.outputs['kernel-version']).toBe('5.14.0-605.el9.x86_64')
      expect(run.stdout).toMatch(/the repository https:\/\/localhost:\d+ is from \d{4}-\d\d-\d\d, 0 days old/)
    }))

  it.concurrent('an expired certificate is refused, and we say when it expired', () =>
    inWorld(async (world, inputs, open) => {
      const cdn = await open(serveFiles(now, undefined, wanting))
      await expectRefused(world, {
        inputs: { ...inputs, ...client(tlsCertificate('expired', 'client', 2025)), 'kernel-repositories': cdn.url },
        code: 'CLIENT_CERTIFICATE_REFUSED',
        words: ['CN=expired', 'expired on 2025-01-01T00:00:00.000Z', 'kernel-repository-client-certificate'],
      })
    }))

  it.concurrent('one that denies says what may be missing', () =>
    inWorld(async (world, inputs, open) => {
      const cdn = await open(serveFiles(now, () => ({ status: 403 }), server))
      await expectRefused(world, {
        inputs: { ...inputs, 'kernel-repositories': cdn.url },
        code: 'REPOSITORY_UNREACHABLE',
        words: ['403', 'kernel-repository-client-certificate'],
      })
    }))

  it.concurrent('a certificate without its key is a wrong setting', () =>
    inWorld(async (world, inputs) => {
      await expectRefused(world, {
        inputs: {
          ...inputs,
          'kernel-repository-client-certificate': good.cert,
          'kernel-repositories': 'https://a.example',
        },
        code: 'SETTING_MISSING',
        exitCode: 2,
        words: ['kernel-repository-client-key'],
      })
    }))
})

describe('a repository that is not as it was', () => {
  const check = { command: 'check', image: '', 'image-repository': '', namespace: '', rollout: '' }

  it.concurrent('half synchronised: the whole kernel is proposed, and the other one told', () =>
    LoopbackWorld.during({ base: library.base }, async world => {
      const next = kernel('611.el9').filter(({ name }) => name !== 'kernel-modules')
      world.publishRepository({ packages: [...bytesOf(newer), ...bytesOf(next)] })
      const run = await world.update({ image })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'kernel-version': '5.14.0-605.el9.x86_64' })
      expect(warningsOf(run)).toContain(
        'kernel 5.14.0-611.el9 is newer but not whole in the repositories: kernel-modules missing',
      )
    }))

  it.concurrent('gone back behind the kernel in use: nothing is proposed, and that is told', () =>
    LoopbackWorld.during({ base: library.base }, async world => {
      world.publish(newer)
      await world.update({ image })
      world.github.close(1, 'merged')
      world.publish(kernel('600.el9'))
      const run = await world.update({ image })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'unchanged' })
      const told = 'found 5.14.0-600.el9, wanted 5.14.0-605.el9 or newer'
      expect(warningsOf(run)).toMatch(new RegExp(`REPOSITORY_WENT_BACK: .*${told}`))
      const checked = await world.update(check)
      expect(checked.outputs['update-available']).toBe('false')
      expect(warningsOf(checked)).toContain(told)
    }))

  it.concurrent('stopped long ago: a warning', () =>
    LoopbackWorld.during({ base: library.base }, async world => {
      world.publish(newer, { timestamp: Date.UTC(2026, 0, 1) / 1000 })
      const run = await world.update({ ...check, 'repository-max-age': '7' })
      expect(run.exitCode, run.stdout).toBe(0)
      expect(warningsOf(run)).toMatch(/is from 2026-01-01, \d+ days old; repository-max-age is 7/)
    }))
})

describe('packages of earlier runs', () => {
  it.concurrent('are not asked for again', () =>
    LoopbackWorld.during({ base: library.base }, async world => {
      world.publish(newer)
      const cache = { 'cache-directory': join(world.directory, 'cache') }
      const first = await world.update({ image, ...cache, 'dry-run': 'true' })
      expect(first.exitCode, first.stdout).toBe(0)
      const asked = () => world.repository.requests.filter(path => path.endsWith('.rpm')).length
      expect(asked()).toBe(5)
      const second = await world.update({ image, ...cache })
      expect(second.outputs.outcome, second.stdout).toBe('created')
      expect(asked()).toBe(5)
      expect(second.stdout).toContain('from the cache')
    }))
})
