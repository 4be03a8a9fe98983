// Epoch, version and release of an RPM, and their order: rpm, rpmio/rpmvercmp.cc and docs/man/rpm-version.7.

/** Epoch is 0 where the package has none. */
export interface Evr {
  readonly epoch: number
  readonly version: string
  readonly release: string
}

/** `epoch:version-release`, without `0:`. */
export function formatEvr(evr: Evr): string {
  return `${evr.epoch === 0 ? '' : `${evr.epoch}:`}${evr.version}-${evr.release}`
}
