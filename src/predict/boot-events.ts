// All events of a boot that its files, the platform's keys and shim's state decide, in log order: docs/pcrs.md.

import type { Boot } from './boot.ts'
import type { Conditions } from './conditions.ts'
import { firmwareStartEvents, firmwareTrust } from './firmware-events.ts'
import { grubKernelLoads } from './grub-build.ts'
import { type LoadedFile, loadedFile } from './loaded-file.ts'
import { imageEvent, variableEvent } from './measured.ts'
import type { MeasuredEvent } from './prediction.ts'
import { checkSbat } from './shim/check-sbat.ts'
import { checkInnerKernel, type StartedShim, seesInnerKernel, shimTrust, startShim } from './shim/shim-events.ts'
import type { Authority } from './trust/authority.ts'
import { sameVariable } from './trust/shim-authority.ts'
import type { StubBuild } from './uki/stub.ts'
import { ukiEvents } from './uki/uki-events.ts'
import { innerKernelEvents } from './uki/uki-kernel.ts'

export interface BootEvents {
  readonly events: readonly MeasuredEvent[]
  readonly notes: readonly string[]
}

/** Measures that a file is loaded: the entries by which it is trusted, then the file itself. */
type Load = (file: LoadedFile, name: FileName, because: string, order?: LoadOrder) => readonly MeasuredEvent[]

/** `file-first`: asked by another program, shim measures the file before it looks for an entry (verify.c, shim_verify). */
type LoadOrder = 'trust-first' | 'file-first'

/** How the parts of a file are called: `Pcr4<name>`; in PCR 7 a kernel is `Kernel`. */
type FileName = 'Shim' | 'Grub' | 'SystemdBoot' | 'Vmlinuz' | 'VmlinuzAgain' | 'Uki' | 'UkiLinux'

/**
 * Throws the refusals of a boot that would not happen (a file that the firmware or shim do not trust, or SBAT revokes) and of one that cannot
 * be predicted (a GRUB or stub that nobody knows, shim variables that cannot be told).
 */
export function bootEvents(boot: Boot, conditions: Conditions): BootEvents {
  const { shim, grub, systemdBoot, kernel, uki } = boot
  const firmware = loader(file => {
    const authority = firmwareTrust(file, conditions)
    return authority === undefined ? [] : [authority]
  })
  const started = shim === undefined ? undefined : startShim(shim, conditions)
  const load = started === undefined ? firmware : loader(file => shimTrust(file, started))
  const by = started === undefined ? 'loaded by the firmware' : 'loaded by shim'
  const next = systemdBoot === undefined ? by : 'loaded by systemd-boot'
  const stub = uki === undefined ? undefined : ukiEvents(uki.uki, uki.file.file.path, { phase: conditions.phase })
  const inner = stub === undefined ? [] : innerKernelLoads(boot, stub.build, conditions)
  const kernelLoads = grub === undefined ? [next] : grubKernelLoads(grub, conditions)
  const kernelOrder = grub === undefined || started === undefined ? 'trust-first' : 'file-first'
  if (started !== undefined && conditions.state.shimVerifies) checkRevoked(boot, started)
  const events = [
    ...firmwareStartEvents(conditions),
    ...(shim === undefined ? [] : firmware(shim.file, 'Shim', 'loaded by the firmware')),
    ...(started?.events ?? []),
    ...(grub === undefined ? [] : load(grub, 'Grub', by)),
    ...(systemdBoot === undefined ? [] : load(systemdBoot, 'SystemdBoot', by)),
    ...(kernel === undefined
      ? []
      : kernelLoads.flatMap((because, index) => load(kernel, kernelName(index), because, kernelOrder))),
    ...(uki === undefined ? [] : load(uki.file, 'Uki', next)),
    ...(stub?.events.filter(event => event.part !== enterInitrd) ?? []),
    ...inner.flatMap(({ file, because }) => load(file, 'UkiLinux', because)),
    ...(stub?.events.filter(event => event.part === enterInitrd) ?? []),
  ]
  return { events, notes: [...(started?.notes ?? []), ...(stub?.notes ?? [])] }
}

/** Extended by userspace, so after everything that is in the firmware's log. */
const enterInitrd = 'Pcr11EnterInitrd'

/** The kernel inside of the UKI, as often as the firmware or shim load it as a file of its own. */
function innerKernelLoads({ uki, shim }: Boot, stub: StubBuild, { state }: Conditions) {
  if (uki === undefined) return []
  const { path } = uki.file.file
  const start = { secureBoot: state.firmwareVerifies, shim: state.shimVerifies ? (shim?.build.version ?? null) : null }
  return innerKernelEvents(uki.uki, path, stub, start).map(({ because }) => ({
    file: innerKernel(uki),
    because,
  }))
}

function innerKernel({ file, uki }: NonNullable<Boot['uki']>): LoadedFile {
  const { path, layer } = file.file
  return loadedFile({ role: 'kernel', path: `${path} .linux`, layer, bytes: uki.linux })
}

const kernelName = (index: number): FileName => (index === 0 ? 'Vmlinuz' : 'VmlinuzAgain')

/** One loader that keeps account of the authorities it measured: firmware and shim each measure the same one only once. */
function loader(trust: (file: LoadedFile) => readonly Authority[]): Load {
  const measured: Authority[] = []
  return (file, name, because, order = 'trust-first') => {
    const fresh = trust(file).filter(authority => !measured.some(other => sameVariable(other, authority)))
    measured.push(...fresh)
    const what = `${fileWords[name]} (${file.file.path})`
    const entries = fresh.map(({ variable, because: reason }) =>
      variableEvent('EV_EFI_VARIABLE_AUTHORITY', authorityPart(name, variable.name), variable, `${what}: ${reason}`),
    )
    const image = imageEvent(`Pcr4${name}`, file, `${what}, ${because}`)
    return order === 'file-first' ? [image, ...entries] : [...entries, image]
  }
}

const fileWords: Readonly<Record<FileName, string>> = {
  Shim: 'shim',
  Grub: 'GRUB',
  SystemdBoot: 'systemd-boot',
  Vmlinuz: 'kernel',
  VmlinuzAgain: 'kernel',
  Uki: 'unified kernel image',
  UkiLinux: 'kernel inside of the unified kernel image',
}

const storeWords: Readonly<Record<string, string>> = {
  db: 'DbCert',
  vendor_db: 'VendorDbCert',
  MokListRT: 'MokListCert',
  MokList: 'MokListCert',
  Shim: 'ShimCert',
}

/** The operator calls the firmware's reason for shim `Pcr7ShimCert`, whatever it is. */
function authorityPart(name: FileName, variable: string): string {
  if (name === 'Shim') return 'Pcr7ShimCert'
  const file = name === 'Vmlinuz' || name === 'VmlinuzAgain' ? 'Kernel' : name
  return `Pcr7${file}${storeWords[variable] ?? variable}`
}

/** Everything that shim looks at: what it starts itself needs a section, what others ask it about does not. Throws SBAT_REVOKED and DENIED_BY_SHIM. */
function checkRevoked({ loads, shim, uki }: Boot, started: StartedShim): void {
  const [first, ...others] = loads.filter(file => file !== shim?.file)
  if (first !== undefined) checkSbat(first, started, 'started')
  for (const file of others) checkSbat(file, started, 'asked')
  if (uki !== undefined && seesInnerKernel(started)) checkInnerKernel(innerKernel(uki), started)
}
