// A process of its own: uid 65534, a root with Node.js and the bundle only, a network with one other address in it. Needs root; ip(8), unshare(1), chroot(8).

import { execFile, spawn } from 'node:child_process'
import { chmod, copyFile, cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { node24, type ProgramRun } from './bundle-runner.ts'

const run = promisify(execFile)
const dist = resolve(import.meta.dirname, '../../dist')

export interface Confinement {
  /** Seen from inside as /. */
  readonly root: string
  /** Of this side, the only one that the inside can reach. */
  readonly address: string
  /** Runs the bundled CLI inside. Paths are those of the inside, the environment is given whole. */
  runCli(words: readonly string[], environment: Readonly<Record<string, string>>): Promise<ProgramRun>
  /** Runs JavaScript inside. */
  evaluate(code: string): Promise<ProgramRun>
  remove(): Promise<void>
}

/** A network of two addresses, 10.231.<n>.1 on this side and 10.231.<n>.2 inside. */
export async function confine(): Promise<Confinement> {
  const root = await mkdtemp(join(tmpdir(), 'confined-'))
  const id = `${process.pid % 100_000}`
  const name = `aou-${id}`
  const [outside, inside] = [`aou${id}o`, `aou${id}i`]
  const subnet = `10.231.${process.pid % 250}`
  const remove = async () => {
    await run('ip', ['netns', 'delete', name]).catch(() => undefined)
    await run('ip', ['link', 'delete', outside]).catch(() => undefined)
    await rm(root, { recursive: true, force: true })
  }
  try {
    await fill(root)
    await run('ip', ['netns', 'add', name])
    await run('ip', ['link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name])
    await run('ip', ['address', 'add', `${subnet}.1/30`, 'dev', outside])
    await run('ip', ['link', 'set', outside, 'up'])
    await run('ip', ['-netns', name, 'address', 'add', `${subnet}.2/30`, 'dev', inside])
    for (const link of [inside, 'lo']) await run('ip', ['-netns', name, 'link', 'set', link, 'up'])
  } catch (error) {
    await remove()
    throw error
  }
  const within = ['netns', 'exec', name, 'unshare', '--mount', 'chroot', '--userspec=65534:65534', '--groups=', root]
  return {
    root,
    address: `${subnet}.1`,
    runCli: (words, environment) => collect([...within, '/node', '/dist/cli.js', ...words], environment),
    evaluate: code => collect([...within, '/node', '--eval', code], {}),
    remove,
  }
}

/** Node.js with its libraries, the bundle, and a place for temporary files. */
async function fill(root: string): Promise<void> {
  const { stdout } = await run('ldd', [node24])
  const libraries = [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = '']) => path)
  for (const library of libraries) {
    const place = join(root, library)
    await mkdir(dirname(place), { recursive: true })
    await copyFile(await realpath(library), place)
  }
  await copyFile(node24, join(root, 'node'))
  await cp(dist, join(root, 'dist'), { recursive: true })
  await mkdir(join(root, 'tmp'))
  await chmod(join(root, 'tmp'), 0o1777)
  await mkdir(join(root, 'etc/ssl/certs'), { recursive: true })
  await writeFile(join(root, 'etc/passwd'), 'nobody:x:65534:65534::/:/none\n')
  await chmod(root, 0o755)
}

function collect(words: readonly string[], environment: Readonly<Record<string, string>>): Promise<ProgramRun> {
  return new Promise((done, refuse) => {
    // the PATH is for the programs on the way in; inside it leads nowhere
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment }
    const child = spawn('ip', words, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text
      })
    child.on('error', refuse)
    child.on('close', status => done({ exitCode: status ?? -1, ...output }))
  })
}
