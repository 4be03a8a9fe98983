// A stand-in for a base image without an ostree repository: dnf and rpm are Debian's, depmod busybox's; kernel-install and dracut do the least that theirs do.

import type { BaseImage } from '../base-image.ts'
import { makeBaseImageOf } from '../base-image.ts'
import { makeGrub, makeShim, type Seed, seededBytes, vendorKeys } from '../boot-files.ts'
import type { PackagedRpm } from '../kernel-rpms.ts'
import { file, makeLayer } from '../layer.ts'
import { makeImage } from '../oci-layout.ts'
import { makePe } from '../pe.ts'
import { rpmDatabaseOf } from '../real/kernel-packages.ts'
import { makeRpm } from '../rpm.ts'
import { dnfRuntimeLayer } from './runtime.ts'

export interface DnfBase {
  readonly seed: Seed
  readonly kernelPackages: readonly PackagedRpm[]
  /** kernel-install of this image: as it should be, not for ostree (does nothing), or failing. */
  readonly kernelInstall?: 'ostree' | 'other-layout' | 'fails'
  readonly withDracut?: boolean
}

export async function makeDnfBase(wanted: DnfBase): Promise<BaseImage> {
  const { seed, kernelPackages, kernelInstall = 'ostree', withDracut = true } = wanted
  const base = await makeBaseImageOf({
    osRelease: 'NAME="Stand-in CoreOS"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.6"\nVARIANT_ID=coreos\n',
    vendor: 'redhat',
    shim: makeShim({ seed }),
    grub: makeGrub({ seed, sbat: 'redhat-2.12' }),
    mokManager: makePe({ sections: [{ name: '.text', data: seededBytes(seed, 800) }] }, vendorKeys(seed).signer),
    kernelPackages,
    makeRpmDatabase: packages => rpmDatabaseOf([...packages, shell()]),
    without: ['sysroot', 'ostree', 'usr/bin/rpm-ostree', 'usr/bin/ostree'],
  })
  const program = (name: string, text: string) => file(`usr/bin/${name}`, text, { mode: 0o755 })
  const own = makeLayer([
    file('etc/rpm/macros', '%_dbpath /usr/share/rpm\n%_db_backend sqlite\n'),
    // as bases have it: nothing of it may count
    file('etc/dnf/dnf.conf', '[main]\ngpgcheck=True\ninstallonly_limit=3\nclean_requirements_on_remove=True\n'),
    file('etc/yum.repos.d/base.repo', '[base]\nname=base\nbaseurl=http://127.0.0.1:1/\nenabled=1\n'),
    program('kernel-install', kernelInstalls[kernelInstall]),
    ...(withDracut ? [program('dracut', dracut)] : []),
  ])
  const layers = [...base.image.layers, dnfRuntimeLayer(), own]
  const image = makeImage({
    layers,
    config: {
      created: '2026-01-01T00:00:00Z',
      config: {
        Labels: { 'org.opencontainers.image.version': '10.1.20260101-0' },
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin', 'PYTHONDONTWRITEBYTECODE=1'],
      },
      history: layers.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'stand-in' })),
    },
  })
  return { ...base, image }
}

/** Takes the words that rpm-ostree gives to the real one, and no others. */
const dracut = `#!/bin/busybox sh
set -e
while [ $# -gt 1 ]; do
  case "$1" in
    --force | --no-hostonly | --reproducible) shift ;;
    --add) [ "$2" = ostree ]; shift 2 ;;
    --kver) kernel=$2; shift 2 ;;
    *) echo "dracut: unknown option $1" >&2; exit 1 ;;
  esac
done
echo "dracut makes $1"
mkdir -p "/var/tmp/dracut/usr/lib/modules/$kernel"
cd /var/tmp/dracut
/bin/busybox cp -r "/usr/lib/modules/$kernel/kernel" "/usr/lib/modules/$kernel/modules.dep" "usr/lib/modules/$kernel"
echo '#!/bin/sh' > init
/bin/busybox find . -exec /bin/busybox touch -h -d @0 {} +
/bin/busybox find . | /bin/busybox sort | /bin/busybox cpio -o -H newc --renumber-inodes --ignore-devno > "$1" 2> /dev/null
rm -r /var/tmp/dracut
`

const kernelInstalls = {
  ostree: `#!/bin/busybox sh
set -e
echo "kernel-install $1 $2"
[ "$1" = add ] || exit 0
depmod "$2"
dracut --no-hostonly --reproducible --add ostree --kver "$2" "/usr/lib/modules/$2/initramfs.img"
`,
  'other-layout': '#!/bin/busybox sh\necho "kernel-install $1 $2"\n',
  fails: '#!/bin/busybox sh\necho "kernel-install $1 $2"\n[ "$1" != add ]\n',
} as const

/** rpm's own check: scripts need /bin/sh from some package. */
function shell(): PackagedRpm {
  const input = { name: 'filesystem', version: '1', release: '1', files: [{ path: '/bin/sh', link: 'busybox' }] }
  return { name: 'filesystem', file: 'filesystem-1-1.x86_64.rpm', bytes: makeRpm(input), input }
}
