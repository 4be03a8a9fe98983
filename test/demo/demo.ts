// `npm run demo`: the main job on loopback, with the bundled Action, in a temporary directory. Nothing is installed and nothing is left.

import { findBuilders } from '../../src/edge/builder.ts'
import { makeBaseImage } from '../build/base-image.ts'
import { type ActionRun, runCli } from '../build/bundle-runner.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'

const seed = process.env.DEMO_SEED || '1'
const print = (text = '') => process.stdout.write(`${text}\n`)
const heading = (text: string) => print(`\n== ${text}\n`)

const kernels = ['605.el9', '611.el9'].map(release => makeKernelRpms({ seed, version: '5.14.0', release }))

/** Lines of the log that tell the story; the rest is the runner's business. */
const story = /^(?:base image |kernel \d|pushed |created|updated|unchanged|Kernel |::group::|::warning::)/

async function main(): Promise<void> {
  const builder = await installedBuilder()
  if (builder === undefined) sayReplaced('neither podman nor buildah is installed')
  else print(`container builds by ${builder}`)
  if (!(await tell(builder !== undefined))) {
    sayReplaced(`${builder} cannot run a container here`)
    await tell(false)
  }
}

async function installedBuilder(): Promise<string | undefined> {
  const found = await findBuilders('auto', process.env).catch(() => [])
  return found[0] === undefined ? undefined : `${found[0].name} ${found[0].version}`
}

function sayReplaced(why: string): void {
  print(
    `container build replaced: ${why}. The same image is put together from the packages without it; to see the real build, run the demo as root on a machine with podman or buildah.`,
  )
}

/** The whole story once; false when a builder is installed but cannot work here. */
async function tell(build: boolean): Promise<boolean> {
  const base = await makeBaseImage({ seed, withRuntime: build })
  const world = await LoopbackWorld.start({ base, build })
  const stop = () => void world.stop().finally(() => process.exit(130))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    print(`registry, RPM repository and GitHub API double on loopback; base image with kernel ${base.kernelRelease}`)
    for (const [index, packages] of kernels.entries()) {
      world.publish(packages)
      heading(index === 0 ? 'A new kernel appears in the repository' : 'A newer kernel appears')
      const run = await world.update()
      if (build && run.outputs['error-code'] === 'BUILDER_NOT_FOUND') return false
      showRun(run)
    }
    heading('Run again, with nothing new')
    showRun(await world.update())
    await showResult(world)
    return true
  } finally {
    process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop)
    await world.stop()
  }
}

function showRun(run: ActionRun): void {
  for (const line of run.stdout.split('\n')) if (story.test(line)) print(`  ${line.replace('::group::', '> ')}`)
  if (run.exitCode !== 0) throw new Error(`the Action failed:\n${run.stdout}\n${run.stderr}`)
}

async function showResult(world: LoopbackWorld): Promise<void> {
  const [pullRequest] = world.github.pullRequests
  if (pullRequest === undefined || world.github.violations.length > 0)
    throw new Error(`no pull request, or not as GitHub describes it: ${world.github.violations.join('; ')}`)
  const branch = world.git.text('for-each-ref', '--format=%(refname)', 'refs/heads/attested-os-update')
  heading('The pull request')
  print(`${pullRequest.title}\n\n${pullRequest.body}`)
  heading('What it changes in the GitOps repository')
  print(world.git.text('diff', '--stat', 'main', branch))
  print()
  print(
    world.git.text('diff', 'main', branch, '--', '*/machine-config/*', '*/reference-values/*', '*/os-image.lock.yaml'),
  )
  heading('The predicted values, read again from the registry by the command line program')
  const lock = world.git.text('show', `${branch}:clusters/one/os-image.lock.yaml`)
  const image = /image: ['"]?([^\s'"]+@sha256:[0-9a-f]{64})/.exec(lock)?.[1] ?? ''
  const predicted = await runCli(['predict', '--image', image, '--secure-boot', 'on', '--allow-insecure', 'true'])
  if (predicted.exitCode !== 0) throw new Error(`predict failed:\n${predicted.stderr}`)
  print(predicted.stdout.trimEnd())
}

const start = performance.now()
await main()
print(
  `\ndone in ${((performance.now() - start) / 1000).toFixed(0)} s; everything was stopped and removed. DEMO_SEED=2 makes other keys, files and values.`,
)
