// Runs the test tiers: `basic` = what needs nothing of the system; `all` = every tier, red when one cannot run.
// A tier is a folder of test/ and a project of vitest.config.ts.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

interface Tier {
  readonly name: string
  readonly holds: string
  readonly basic: boolean
  /** Why it cannot run here, or undefined. */
  readonly missing: () => string | undefined
}

const programs =
  (...names: string[]) =>
  () => {
    const paths = (process.env.PATH ?? '').split(delimiter).concat('/usr/sbin', '/sbin')
    const absent = names.filter(name => !paths.some(path => existsSync(join(path, name))))
    return absent.length === 0
      ? undefined
      : `${absent.join(', ')} not installed; npm run setup installs them (Debian, Ubuntu)`
  }

const asRoot = (next: () => string | undefined) => () => next() ?? (process.getuid?.() === 0 ? undefined : 'needs root')

const tiers: readonly Tier[] = [
  { name: 'unit', holds: 'every room by itself', basic: true, missing: () => undefined },
  { name: 'e2e', holds: 'the bundle against services on loopback', basic: true, missing: () => undefined },
  {
    name: 'vectors',
    holds: 'recorded boots, public reference data, CRDs',
    basic: true,
    missing: () =>
      existsSync(join(root, '../shared/vectors'))
        ? undefined
        : 'the test data is not beside the checkout (../shared/vectors)',
  },
  {
    name: 'rpm',
    holds: 'agreement with rpm, rpmsign and createrepo_c',
    basic: false,
    missing: programs(
      'rpm',
      'rpmbuild',
      'rpmsign',
      'rpmkeys',
      'gpg',
      'gpg1',
      'createrepo_c',
      'xz',
      'zstd',
      'openssl',
      'sha256sum',
    ),
  },
  {
    name: 'registry',
    holds: 'skopeo and docker-registry',
    basic: false,
    missing: programs('skopeo', 'docker-registry', 'htpasswd', 'openssl', 'script'),
  },
  {
    name: 'images',
    holds: 'the image reader beside podman, buildah, skopeo and umoci',
    basic: false,
    missing: asRoot(
      programs(
        'podman',
        'buildah',
        'skopeo',
        'umoci',
        'perl',
        'docker-registry',
        'htpasswd',
        'openssl',
        'ip',
        'unshare',
        'chroot',
        'ldd',
      ),
    ),
  },
  {
    name: 'podman',
    holds: 'real container builds',
    basic: false,
    missing: asRoot(
      programs(
        'podman',
        'buildah',
        'dockerd',
        'skopeo',
        'docker-registry',
        'unshare',
        'tar',
        'ldd',
        'rpm',
        'rpmbuild',
        'dnf',
        'dpkg-query',
        'busybox',
      ),
    ),
  },
  {
    name: 'real',
    holds: 'signed boot files of Debian, from package to pull request',
    basic: false,
    missing: asRoot(
      programs(
        'podman',
        'skopeo',
        'docker-registry',
        'tar',
        'ldd',
        'rpm',
        'rpmbuild',
        'createrepo_c',
        'pesign',
        'openssl',
        'sbverify',
        'objcopy',
        'dpkg-deb',
        'apt-get',
        'apt-cache',
      ),
    ),
  },
  {
    name: 'boot',
    holds: 'predicted files booted under firmware and a TPM',
    basic: false,
    missing: bootable,
  },
]

/** Programs of the boot tests, and the firmware with its variable stores. */
function bootable(): string | undefined {
  const firmware = ['CODE_4M.secboot', 'VARS_4M', 'VARS_4M.ms', 'VARS_4M.snakeoil']
  const absent = firmware.map(name => `/usr/share/OVMF/OVMF_${name}.fd`).filter(path => !existsSync(path))
  if (absent.length > 0) return `${absent.join(', ')} not there; npm run setup installs ovmf (Debian, Ubuntu)`
  return programs(
    'qemu-system-x86_64',
    'swtpm',
    'swtpm_setup',
    'sgdisk',
    'mformat',
    'mcopy',
    'busybox',
    'setpriv',
    'sbsign',
    'sbattach',
    'sbverify',
    'objcopy',
    'objdump',
    'openssl',
    'tar',
    'dpkg-deb',
    'apt-get',
    'apt-cache',
  )()
}

interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

function run(tier: Tier): Counts {
  const scratch = mkdtempSync(join(tmpdir(), 'attested-os-update-tier-'))
  const report = join(scratch, 'report.json')
  const start = performance.now()
  process.stdout.write(`\n== tier ${tier.name}: ${tier.holds}\n`)
  const vitest = ['run', '--project', tier.name, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const { status } = spawnSync(join(root, 'node_modules/.bin/vitest'), vitest, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const counts = read(report, status)
  rmSync(scratch, { recursive: true, force: true })
  process.stdout.write(
    `== tier ${tier.name}: ${text(counts)} in ${((performance.now() - start) / 1000).toFixed(0)} s\n`,
  )
  return counts
}

/** A run that crashed, or that ran nothing at all, counts as one failure. */
function read(report: string, status: number | null): Counts {
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 }
  const json = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>
  const passed = json.numPassedTests ?? 0
  const skipped = (json.numPendingTests ?? 0) + (json.numTodoTests ?? 0)
  const failed = Math.max(json.numFailedTests ?? 0, status === 0 && passed > 0 ? 0 : 1)
  return { passed, failed, skipped }
}

const text = ({ passed, failed, skipped }: Counts) => `${passed} passed, ${failed} failed, ${skipped} skipped`

const everything = process.argv[2] === 'all'
const only = process.argv.slice(3)
const results: { readonly tier: Tier; readonly counts?: Counts; readonly reason?: string }[] = tiers
  .filter(tier => only.length === 0 || only.includes(tier.name))
  .map(tier => {
    const reason = tier.missing()
    if (reason !== undefined) return { tier, reason }
    return everything || tier.basic ? { tier, counts: run(tier) } : { tier }
  })

process.stdout.write('\n')
for (const { tier, counts, reason } of results) {
  if (counts !== undefined) process.stdout.write(`tier ${tier.name.padEnd(8)} ${text(counts)}\n`)
  else if (reason !== undefined) process.stdout.write(`tier ${tier.name.padEnd(8)} NOT RUN: ${tier.holds}: ${reason}\n`)
  else process.stdout.write(`tier ${tier.name.padEnd(8)} left to npm run test:all: ${tier.holds}\n`)
}
const sum = results.reduce<Counts>(
  (total, { counts }) => ({
    passed: total.passed + (counts?.passed ?? 0),
    failed: total.failed + (counts?.failed ?? 0),
    skipped: total.skipped + (counts?.skipped ?? 0),
  }),
  { passed: 0, failed: 0, skipped: 0 },
)
process.stdout.write(`${text(sum)}\n`)
const notRun = results.some(result => result.reason !== undefined)
if (sum.failed > 0 || sum.passed === 0 || (everything && (notRun || sum.skipped > 0))) process.exitCode = 1
