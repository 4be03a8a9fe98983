// Images that podman and buildah push to Debian's docker-registry, in both formats and as an index of two architectures: podman pulls what we read.

import { mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { DockerRegistry } from '../build/docker-registry.ts'
import { type ImageStore, run, withStore } from './engine.ts'
import { expectSameImage } from './same-image.ts'

const kernel = 'usr/lib/modules/6.1/vmlinuz'

let registry: DockerRegistry
beforeAll(async () => {
  registry = await DockerRegistry.start()
})
afterAll(() => registry.stop())

/** Two layers; the upper one has the kernel of this text. */
async function build(store: ImageStore, name: string, text: string, ...more: readonly string[]): Promise<void> {
  const context = store.path(name)
  mkdirSync(context)
  writeFileSync(`${context}/base`, 'MZ base')
  writeFileSync(`${context}/top`, text)
  writeFileSync(`${context}/Containerfile`, `FROM scratch\nCOPY base /${kernel}\nCOPY top /${kernel}\n`)
  await store.podman('build', '--quiet', '--layers', ...more, '--tag', `localhost/${name}`, context)
}

const open = (name: string) =>
  openRegistry({ allowInsecure: true, credentials: noCredentials }).openImage(parseImageReference(name), 'amd64')

/** The manifest of this name is of that type, and our reading of the image that of podman in a store of its own. */
async function expectPulled(name: string, mediaType: string, text: string): Promise<void> {
  const raw = await run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`])
  expect(JSON.parse(raw.stdout).mediaType).toBe(mediaType)
  await withStore(async fresh => {
    const contents = await expectSameImage(await open(name), await fresh.mount(`docker://${name}`))
    const found = contents.found.files.filter(({ role }) => role === 'kernel')
    expect(found.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([text])
  })
}

it.each([
  ['docker', 'v2s2', 'application/vnd.docker.distribution.manifest.v2+json'],
  ['oci', 'oci', 'application/vnd.oci.image.manifest.v1+json'],
])('pushed by podman in the format %s, and copied on by skopeo', async (format, asFormat, mediaType) => {
  await withStore(async store => {
    await build(store, 'pushed', `MZ ${format}`, '--format', format)
    const name = `${registry.host}/team/pushed:${format}`
    const target = `docker://${name}`
    await store.podman('push', '--quiet', '--tls-verify=false', '--format', asFormat, 'localhost/pushed', target)
    await expectPulled(name, mediaType, `MZ ${format}`)
    const copy = `${registry.host}/team/copied:${format}`
    const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false']
    await run('skopeo', ['copy', '--quiet', ...insecure, target, `docker://${copy}`])
    await expectPulled(copy, mediaType, `MZ ${format}`)
  })
})

it.each([
  ['docker', 'v2s2', 'application/vnd.docker.distribution.manifest.list.v2+json'],
  ['oci', 'oci', 'application/vnd.oci.image.index.v1+json'],
])('an index of two architectures by buildah, format %s', async (format, asFormat, mediaType) => {
  await withStore(async store => {
    for (const architecture of ['arm64', 'amd64'])
      await build(store, architecture, `MZ ${architecture}`, '--format', format, '--arch', architecture)
    await store.buildah('manifest', 'create', 'localhost/list', 'localhost/arm64', 'localhost/amd64')
    const name = `${registry.host}/team/index:${format}`
    const how = ['--all', '--tls-verify=false', '--format', asFormat]
    await store.buildah('manifest', 'push', '--quiet', ...how, 'localhost/list', `docker://${name}`)
    await expectPulled(name, mediaType, 'MZ amd64')
  })
})
