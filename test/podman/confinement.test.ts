// What commands of a build can reach, for every way to keep them apart; the way that keeps nothing apart shows that the question can be answered with yes.

import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type BuildResult, findBuilders } from '../../src/edge/builder.ts'
import type { PinnedReference } from '../../src/formats/oci/reference.ts'
import { makeBaseImage } from '../build/base-image.ts'
import { buildAsUser } from '../build/rootless-build.ts'
import { BuildBench } from './build.ts'

const seed = 'confinement'
const abstractSocket = `\0attested-os-update-${process.pid}`

let bench: BuildBench
let reference: PinnedReference
let servers: Server[]
let containerfile: string
beforeAll(async () => {
  bench = await BuildBench.open()
  reference = bench.publish(await makeBaseImage({ seed, withRuntime: true }))
  servers = [createServer(), createServer()]
  const [first, second] = servers
  await new Promise<void>(done => first?.listen(0, '127.0.0.1', done))
  await new Promise<void>(done => second?.listen(abstractSocket, done))
  const address = first?.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const script = [
    'const net = require("node:net")',
    'const reach = place => new Promise(done => net.connect(place, () => done("reached")).on("error", error => done(error.code)))',
    'const interfaces = Object.keys(require("node:os").networkInterfaces())',
    `const host = await reach({ host: "127.0.0.1", port: ${address.port} })`,
    `const abstract = await reach({ path: "\\0" + ${JSON.stringify(abstractSocket.slice(1))} })`,
    'console.log("ANSWERS " + JSON.stringify({ host, abstract, interfaces }))',
    'process.exit(0)',
  ].join('; ')
  containerfile = `ARG BASE\nFROM $BASE\nRUN node --input-type=module -e '${script.replace('const net = require("node:net")', 'import net from "node:net"').replace('require("node:os")', '(await import("node:os"))')}'\n`
})
afterAll(async () => {
  for (const server of servers) server.close()
  await bench.close()
})
afterEach(() => {
  vi.unstubAllEnvs()
})

interface Answers {
  readonly host: string
  readonly abstract: string
  readonly interfaces: readonly string[]
}

function answersIn(log: string): Answers {
  const text = /^ANSWERS (.*)$/m.exec(log)?.[1]
  if (text === undefined) throw new Error(log)
  return JSON.parse(text)
}

/** Programs that stand before the real ones in PATH. */
function wrappers(name: string, scripts: Readonly<Record<string, string>>): string {
  const directory = join(bench.directory, name)
  mkdirSync(directory, { recursive: true })
  for (const [program, script] of Object.entries(scripts))
    writeFileSync(join(directory, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return `${directory}:${process.env.PATH}`
}

/** A machine on which no container runtime works: builds without chroot isolation fail. */
const withoutRuntime = (program: string) =>
  `case "$*" in *" build "*--isolation=chroot*) ;; *" build "*) echo no runtime >&2; exit 125 ;; esac\nexec /usr/bin/${program} "$@"`

async function run(name: string): Promise<{ readonly result: BuildResult; readonly log: string }> {
  const [builder] = await findBuilders(name as 'podman', process.env)
  if (builder === undefined) throw new Error(`no ${name}`)
  return await bench.run(builder, reference, [], containerfile)
}

function expectAlone({ host, abstract, interfaces }: Answers): void {
  expect(host).toMatch(/^E(?:CONNREFUSED|NETUNREACH|HOSTUNREACH|ADDRNOTAVAIL)$/)
  expect(abstract).toBe('ECONNREFUSED')
  expect(interfaces.filter(one => one !== 'lo')).toEqual([])
}

describe.each(['podman', 'buildah'])('commands of a build with %s reach nothing of this machine', name => {
  it('in a container made by root', async () => {
    const { result, log } = await run(name)
    expect(result).toMatchObject({ isolation: 'oci', network: 'none', warnings: [] })
    expectAlone(answersIn(log))
  })

  it('in a chroot within an empty network namespace, and that it is a chroot is told', async () => {
    vi.stubEnv('PATH', wrappers(`chroot-${name}`, { [name]: withoutRuntime(name) }))
    const { result, log } = await run(name)
    expect(result).toMatchObject({ isolation: 'chroot', network: 'none' })
    expect(result.warnings).toEqual([expect.stringContaining('run as root in a chroot, not in a container')])
    expectAlone(answersIn(log))
  })

  it('in a container made by a user who is not root', async () => {
    const [builder] = await findBuilders(name as 'podman', process.env)
    if (builder === undefined) throw new Error(`no ${name}`)
    const { result, log } = await buildAsUser({
      builders: [builder],
      base: reference,
      containerfile,
      insecureRegistry: true,
      sourceDateEpoch: 0,
    })
    expect(result).toMatchObject({ isolation: 'rootless', network: 'none', warnings: [] })
    expectAlone(answersIn(log))
  })
})

it('commands of a build reach this machine where no way without network works, and that is told', async () => {
  const scripts = { podman: withoutRuntime('podman'), unshare: 'exit 1' }
  vi.stubEnv('PATH', wrappers('host', scripts))
  const { result, log } = await run('podman')
  expect(result).toMatchObject({ isolation: 'chroot', network: 'host' })
  expect(result.warnings).toEqual([expect.any(String), expect.stringContaining('not cut off from the network')])
  expect(answersIn(log)).toMatchObject({ host: 'reached', abstract: 'reached' })
})
