// Which boot loader can meet which kernel on a node (design D4). The kernel changes at the next boot; the boot loader after
// that boot (bootupd, systemd/bootloader-update.service) or before it (MCO, pkg/daemon/bootupd.go).

export interface MixPolicy {
  /** How many images apart boot loader and kernel may be. */
  readonly window: number | 'all'
  /** Whether a new boot loader may meet an old kernel: after a rollback, or where an update failed halfway. */
  readonly rollback: boolean
  /** `manual`: nothing updates boot loaders, so an old one stays for ever and no window ends that. */
  readonly bootLoaderUpdates: 'automatic' | 'manual'
}

/** How a node comes to a pair. */
export type MixWay = 'one-image' | 'kernel-ahead' | 'boot-loader-ahead'

/** Boot loader of one image and kernel of another, as indexes into the history, oldest first. */
export interface MixPair {
  readonly bootLoader: number
  readonly kernel: number
  readonly way: MixWay
}

/**
 * All pairs that nodes can be in, when any node may have skipped any image and new nodes start with any. With everything
 * allowed these are all pairs: two updates without a boot between lead from (1, 1) to (1, 3), a rollback from (3, 3) to (3, 1).
 */
export function reachablePairs(images: number, policy: MixPolicy): readonly MixPair[] {
  const indexes = Array.from({ length: images }, (_, index) => index)
  return indexes.flatMap(bootLoader =>
    indexes.flatMap(kernel => {
      const way = wayTo(bootLoader, kernel)
      return isReachable(bootLoader, kernel, policy) ? [{ bootLoader, kernel, way }] : []
    }),
  )
}

/** Whether a node that once had something of image `later` may have something of image `earlier` now. */
export function canGoBack(later: number, earlier: number, { window, rollback }: MixPolicy): boolean {
  return rollback && later > earlier && (window === 'all' || later - earlier <= window)
}

/** One phrase for people: what happened on a node in which boot loader and kernel are such a pair. */
export function wayInWords(way: MixWay, { bootLoaderUpdates }: MixPolicy): string {
  if (way === 'one-image') return 'boot loader and kernel of one image'
  if (way === 'boot-loader-ahead') return 'the boot loader is updated, the kernel is not or was rolled back'
  return bootLoaderUpdates === 'manual'
    ? 'the kernel is updated, the boot loader is not: nothing updates it'
    : 'the kernel is updated, the boot loader not yet'
}

function wayTo(bootLoader: number, kernel: number): MixWay {
  if (bootLoader === kernel) return 'one-image'
  return bootLoader < kernel ? 'kernel-ahead' : 'boot-loader-ahead'
}

function isReachable(bootLoader: number, kernel: number, policy: MixPolicy): boolean {
  if (bootLoader === kernel) return true
  if (bootLoader > kernel) return canGoBack(bootLoader, kernel, policy)
  return policy.bootLoaderUpdates === 'manual' || policy.window === 'all' || kernel - bootLoader <= policy.window
}
