// The Containerfile of a layered image, one template for each way: on the pinned base, packages by bind mount from the build context (D8, D8b).

import { formatPinnedReference } from '../formats/oci/reference.ts'
import type { DnfPlan, LayeringPlan, RpmOstreePlan } from './layering-plan.ts'
import { fillOwnContainerfile } from './own-containerfile.ts'

/** Directory of the build context that holds the RPMs. */
export const packageDirectory = 'rpms'

const ownPlace = '/run/attested-os-update'
const mountPoint = `${ownPlace}/rpms`
/** Only images that we layered have it. */
export const kernelReleaseLabel = 'attested-os-update.kernel-release'

/** Labels that the built image carries beside those of its base (image-spec annotations.md names the first three). */
export function layeredImageLabels(plan: LayeringPlan): Readonly<Record<string, string>> {
  const { base, baseName, baseVersion, kernelRelease } = plan
  return {
    'org.opencontainers.image.base.digest': base.digest,
    'org.opencontainers.image.base.name': baseName,
    'org.opencontainers.image.version': `${baseVersion === undefined ? '' : `${baseVersion}-`}kernel-${kernelRelease}`,
    [kernelReleaseLabel]: kernelRelease,
  }
}

/**
 * The text of the Containerfile. The same plan gives the same bytes. A change here changes every change key.
 * The RPMs lie in `packageDirectory` of the build context; no command needs the network.
 */
export function renderContainerfile(plan: LayeringPlan): string {
  const labels = Object.entries(layeredImageLabels(plan)).map(([name, value]) => `LABEL ${name}="${value}"`)
  const base = formatPinnedReference(plan.base)
  if (plan.way === 'containerfile') {
    const filled = fillOwnContainerfile(plan.text, { BASE: base, KERNEL_RELEASE: plan.kernelRelease })
    return [filled, ...labels, ''].join('\n')
  }
  const steps = plan.way === 'rpm-ostree' ? rpmOstreeSteps(plan) : dnfSteps(plan)
  return [
    `ARG BASE=${base}`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a build argument of the Containerfile
    'FROM ${BASE}',
    `RUN --mount=type=bind,source=${packageDirectory},target=${mountPoint} \\`,
    `    ${steps.join(' && \\\n    ')}`,
    ...labels,
    '',
  ].join('\n')
}

function rpmOstreeSteps({ replace, install, closingStep }: RpmOstreePlan): string[] {
  return [
    command('rpm-ostree override replace', replace),
    ...(install.length === 0 ? [] : [command('rpm-ostree install', install)]),
    'rpm-ostree cleanup -m',
    closingStep,
  ]
}

/** State, logs and repositories of the transaction: a place that goes with it. */
const dnfPlace = `${ownPlace}/dnf`

/**
 * No repository, no plugin, no install-only packages: the new kernel replaces the old one, whatever dnf.conf of the base says. dnf 4 and dnf 5
 * take the same words. Scripts of the kernel's packages make the initramfs where the base has kernel-install with layout=ostree; dnf goes on when
 * they fail, so what they left out is made then, as rpm-ostree would (rpm-ostree, rust/src/initramfs.rs).
 */
function dnfSteps({ program, install, leftOver, closingStep, sourceDateEpoch, kernelRelease }: DnfPlan): string[] {
  const epoch = sourceDateEpoch === undefined ? [] : [`SOURCE_DATE_EPOCH=${sourceDateEpoch}`]
  const places = ['reposdir', 'persistdir', 'cachedir', 'logdir'].map(name => `--setopt=${name}=${dnfPlace}`)
  const solver = ['installonlypkgs=', 'install_weak_deps=False', 'clean_requirements_on_remove=False', 'plugins=False']
  const options = [...places, ...solver.map(one => `--setopt=${one}`)]
  const modules = `/usr/lib/modules/${kernelRelease}`
  const dracut = 'DRACUT_NO_XATTR=1 dracut --force --no-hostonly --reproducible --add ostree --kver'
  return [
    `mkdir -p ${dnfPlace}`,
    [[...epoch, program, '--assumeyes'].join(' '), ...options, command('install', install)].join(' \\\n        '),
    `rm -rf ${[dnfPlace, ...(leftOver === undefined ? [] : [`/usr/lib/modules/${leftOver}`])].join(' ')}`,
    `{ test -s ${modules}/modules.dep || depmod ${kernelRelease}; }`,
    `{ test -s ${modules}/initramfs.img || ${dracut} ${kernelRelease} ${modules}/initramfs.img; }`,
    emptySharedMemory,
    ...(closingStep === undefined ? [] : [closingStep]),
  ]
}

/**
 * What sqlite keeps in shared memory differs from run to run. rpm leaves the file there, since readers of a read-only file system need one; an empty one
 * does for them too (sqlite.org/walformat.html, 2; tried with rpm 4.18).
 */
const sharedMemory = ['/usr/share/rpm', '/usr/lib/sysimage/rpm'].map(place => `${place}/rpmdb.sqlite-shm`)
const emptySharedMemory = `for shm in ${sharedMemory.join(' ')}; do test ! -e $shm || : > $shm; done`

function command(words: string, files: readonly string[]): string {
  return [words, ...files.map(file => `${mountPoint}/${file}`)].join(' \\\n        ')
}
