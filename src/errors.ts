// What went wrong, as data: one class, one closed table of codes. Texts for people are made in edge/annotations.ts only.

/** settings: the user's words; input: files, images, repositories; remote: services; refused: a safety rule of ours; bug: ours. */
export type ErrorKind = 'settings' | 'input' | 'remote' | 'refused' | 'bug'

interface CodeRow {
  readonly kind: ErrorKind
  /** What the code means, one sentence, for docs/errors.md. */
  readonly meaning: string
  /** What the reader can do; the thrower may give a better one. */
  readonly hint?: string
}

const row = (kind: ErrorKind, meaning: string, hint?: string): CodeRow =>
  hint === undefined ? { kind, meaning } : { kind, meaning, hint }

/** Every code that this tool can print. Makes docs/errors.md. */
export const errorCodes = {
  // settings
  SETTING_UNKNOWN: row('settings', 'a setting, option or input has a name that does not exist'),
  SETTING_INVALID: row('settings', 'a setting has a value that its type does not allow'),
  SETTING_MISSING: row('settings', 'a required setting is not given'),
  SETTING_NOT_SUPPORTED: row(
    'settings',
    'a setting, a value or a command exists in the contract but has no effect in this version',
  ),
  SETTINGS_FILE_INVALID: row('settings', 'the settings file cannot be read as YAML or has no schemaVersion 1'),
  USAGE: row('settings', 'the command line cannot be understood', 'run with --help'),
  NODE_TOO_OLD: row('settings', 'the running Node.js is older than 24'),
  BOOT_CHAIN_UNKNOWN: row('settings', 'the boot files given do not make one of the boot chains that are known'),

  // bytes and formats
  INPUT_TRUNCATED: row('input', 'a structure ends before its own length says so'),
  INPUT_INVALID: row('input', 'a structure breaks its specification'),
  FILE_NOT_FOUND: row('input', 'a file given on the command line or in the settings does not exist'),
  OUTPUT_NOT_WRITABLE: row('input', 'a file that was asked for cannot be written'),
  PE_INVALID: row('input', 'a boot file is not a valid PE file'),
  SIGNATURE_DIGEST_MISMATCH: row(
    'refused',
    'the digest inside a boot file’s own signature is not the digest of the file',
    'the file was changed after it was signed; take it from its package again',
  ),
  SIGNATURE_INVALID: row(
    'refused',
    'an Authenticode signature does not verify: its attributes, its signer or its signature value are wrong',
    'take the file from its package again, or sign it again',
  ),
  EVENT_LOG_INVALID: row('input', 'an event log cannot be read as TCG event log'),

  // prediction
  GRUB_UNKNOWN: row(
    'refused',
    'it is not known how often this GRUB build measures the kernel',
    'see docs/pcrs.md for the builds that are known',
  ),
  KERNEL_UNSIGNED: row('refused', 'the kernel has no Authenticode signature, so it does not boot under Secure Boot'),
  BOOT_LOADER_UNSIGNED: row(
    'refused',
    'shim or GRUB have no Authenticode signature, so they do not boot under Secure Boot',
  ),
  NOT_TRUSTED_BY_FIRMWARE: row(
    'refused',
    'nothing in db trusts a file that the firmware loads, so it does not boot under Secure Boot',
  ),
  NOT_TRUSTED_BY_SHIM: row(
    'refused',
    'neither db nor shim’s own certificates nor enrolled keys trust a file that shim verifies',
    'sign it with a key that the machine trusts, or enrol its certificate (MOK)',
  ),
  DENIED_BY_FIRMWARE: row('refused', 'dbx denies a file that the firmware loads'),
  DENIED_BY_SHIM: row('refused', 'dbx, MokListX or shim’s own list of denied files denies a file that shim verifies'),
  BOOT_CHAIN_REFUSED: row('refused', 'this boot chain does not boot in the Secure Boot state asked for'),
  KERNEL_NOT_COVERED: row(
    'refused',
    'no checked PCR would attest a part that require-coverage names',
    'see docs/pcrs.md; relax require-coverage only if you accept that',
  ),
  FORMAT_CANNOT_EXPRESS: row('refused', 'an output format has no form for a prediction'),
  PCR_LABEL_INVALID: row('input', 'a label org.coreos.pcrs, or a file of compute-pcrs, cannot be read'),
  MIX_LIMIT: row(
    'refused',
    'there are more mixes of boot loader and kernel than mix-limit allows',
    'retire images that no node runs any more, narrow mix-window, or raise mix-limit',
  ),
  SHIM_UNSUPPORTED: row('refused', 'the shim has no readable .vendor_cert section or no known version'),
  PLATFORM_INVALID: row('input', 'a platform profile cannot be read, or contradicts itself'),
  PLATFORM_INSUFFICIENT: row('refused', 'a platform profile does not say enough to predict PCR 7 or 14'),
  SBAT_REVOKED: row(
    'refused',
    'shim would refuse a boot file, or itself, since the SBAT level asks for a newer generation',
  ),
  OPERATOR_WOULD_NOT_APPROVE: row(
    'refused',
    'the trusted-execution-clusters operator would publish other values than the ones needed',
  ),

  // base image, registry
  REFERENCE_INVALID: row('input', 'an image reference cannot be read'),
  IMAGE_NOT_FOUND: row(
    'remote',
    'the registry has no such image',
    'check the reference, and that the credentials may read it',
  ),
  IMAGE_PLATFORM_MISSING: row('input', 'the image index has no manifest for the architecture asked for'),
  IMAGE_INVALID: row('input', 'a manifest or config breaks the OCI image specification'),
  DIGEST_MISMATCH: row('input', 'bytes do not have the digest that names them'),
  REGISTRY_UNREACHABLE: row('remote', 'the registry does not answer'),
  REGISTRY_DENIED: row(
    'remote',
    'the registry refuses the credentials',
    'log in with podman login or docker login, set REGISTRY_AUTH_FILE, or give pull-secret',
  ),
  REGISTRY_BLOCKED: row('refused', 'registries.conf blocks the registry of an image'),
  REGISTRY_ERROR: row('remote', 'the registry answers with an error'),
  PUSH_REFUSED: row(
    'remote',
    'the registry refuses the push',
    'check that the credentials may write to image-repository',
  ),
  READ_BACK_MISMATCH: row('remote', 'the image read back after the push is not the image that was checked'),
  LAYER_INVALID: row('input', 'a layer is not a readable tar archive, or breaks the layer rules'),
  LAYER_UNSUPPORTED: row('input', 'a layer uses a compression or tar feature that is not supported'),
  OSTREE_COMMIT_INVALID: row(
    'input',
    'an image with an ostree commit contradicts itself: a label, an object or a file is not what the commit says',
    'nodes deploy the commit, or refuse the image; it has to be made anew',
  ),
  CEILING_REACHED: row('input', 'a layer, file or list is larger than its ceiling'),
  INSECURE_NOT_ALLOWED: row(
    'refused',
    'a plain http registry or repository is used',
    'use https, or set allow-insecure: true, which the pull request repeats',
  ),

  BASE_IS_LAYERED: row(
    'refused',
    'the base image is one that this tool layered; layers would pile up',
    'name the image of the release, or the one that the image was built on',
  ),
  BASE_REPOSITORY_NOT_ALLOWED: row(
    'refused',
    'the base image comes from a repository that base-repositories does not name',
    'add the repository to base-repositories if you trust it',
  ),
  BASE_NOT_FOUND: row('input', 'release, cluster or lock name no base image that fits'),
  BASE_AMBIGUOUS: row('input', 'release or cluster name several base images, and nothing says which one'),
  BASE_NOT_SUPPORTED: row('refused', 'the release has its node image in a form that cannot be built on'),
  RELEASE_INVALID: row('input', 'a release image has no readable image-references'),
  APPROVED_IMAGE_GONE: row(
    'refused',
    'the image that a MachineConfig names now is not in its registry any more, so no new node can get it',
    'push the same image again, or let the MachineConfig name one that is there',
  ),

  // cluster
  KUBECONFIG_INVALID: row('settings', 'the kubeconfig, or the service account, cannot be used'),
  CLUSTER_UNREACHABLE: row('remote', 'the API server of the cluster does not answer, or not as it should'),
  CLUSTER_DENIED: row(
    'remote',
    'the cluster does not accept the credentials, or they lack a right that is needed',
    'see docs/permissions.md',
  ),
  CLUSTER_INVALID: row('input', 'an object of the cluster lacks a field that is needed'),
  CLUSTER_DIFFERS: row('refused', 'the cluster is not the one that cluster-id or the lock name'),

  // image contents (D9, D14)
  KERNEL_MISSING: row('refused', 'the image has no kernel below usr/lib/modules'),
  KERNEL_NOT_UNIQUE: row(
    'refused',
    'the image has more than one kernel',
    'the build must remove the kernel of the base image',
  ),
  KERNEL_RELEASE_MISMATCH: row('refused', 'the kernel in the image is not the kernel that was asked for'),
  INITRAMFS_MISSING: row(
    'refused',
    'the image has no usable initramfs beside its kernel',
    'rpm-ostree can exit 0 without having written one; look at the build log',
  ),
  INITRAMFS_INVALID: row('refused', 'the initramfs cannot be read, or lacks the modules of this kernel'),
  RPMDB_MISMATCH: row('refused', 'the RPM database of the image does not agree with the packages that were installed'),
  RPMDB_UNREADABLE: row('refused', 'the image has no readable RPM database'),
  BOOT_LOADER_CHANGED: row(
    'refused',
    'an EFI program of the built image is not that of the base image, is gone, or is new',
  ),
  BOOT_LOADER_MISSING: row('refused', 'the image has no shim or GRUB in the places that bootupd uses'),
  BOOT_LOADER_NOT_UNIQUE: row('refused', 'the image has several candidates for one boot loader file'),
  BOOT_CHAIN_UNCLEAR: row(
    'refused',
    'the image has boot loaders and kernels for more than one boot chain',
    'name the one that nodes boot with boot-chain',
  ),
  BOOT_DIRECTORY_NOT_EMPTY: row('refused', 'the built image has files below /boot'),
  NODE_SOFTWARE_MISSING: row('refused', 'kubelet or CRI-O of the base image are missing in the built image'),
  NODE_SOFTWARE_CHANGED: row(
    'refused',
    'packages of kubelet or CRI-O have another version in the built image than in the base image',
  ),
  KUBELET_TOO_NEW: row(
    'refused',
    'the kubelet of the image is newer than the cluster that it will join',
    'update the cluster first, or take a base image of its release',
  ),
  MODULES_NOT_INDEXED: row(
    'refused',
    'the base has a modules.dep beside its kernel and the built image has none',
    'depmod did not run, or failed; look at the build log',
  ),
  KERNEL_HMAC_MISSING: row(
    'refused',
    'the base has a .vmlinuz.hmac beside its kernel and the built image has none that fits',
  ),
  UKI_INVALID: row('input', 'a unified kernel image breaks its specification'),
  STUB_UNKNOWN: row(
    'refused',
    'it is not known what the stub of a unified kernel image measures',
    'see docs/pcrs.md for the versions of systemd-stub that are known',
  ),
  UKI_NOT_PREDICTED: row('refused', 'a unified kernel image measures what cannot be known from the image alone'),
  UKI_NOT_REBUILT: row(
    'refused',
    'the unified kernel image of the built image does not hold the new kernel',
    'the build must make a new one from the vmlinuz of kernel-core; see docs/layering.md',
  ),
  IMAGE_NOT_ON_BASE: row('refused', 'the layers of the built image do not begin with the layers of its base image'),
  ARCHITECTURE_NOT_SUPPORTED: row('refused', 'the architecture is not supported yet'),

  // kernel repository
  REPOSITORY_UNREACHABLE: row('remote', 'the RPM repository does not answer or has no repodata/repomd.xml'),
  REPOSITORY_WENT_BACK: row(
    'remote',
    'the RPM repositories have only older kernels than the one in use; told as a warning, nothing is proposed',
    'a mirror may be old, or somebody may hold updates back; compare with another mirror',
  ),
  CLIENT_CERTIFICATE_REFUSED: row(
    'remote',
    'the RPM repository does not accept the client certificate',
    'an entitlement may have ended, or be for other repositories; see docs/repositories.md',
  ),
  REPOSITORY_INVALID: row('input', 'the metadata of the RPM repository cannot be read'),
  CHECKSUM_MISMATCH: row(
    'input',
    'a downloaded file does not have the size or checksum that the repository metadata gives',
    'the mirror may be in the middle of a synchronisation; try again later',
  ),
  KERNEL_NOT_FOUND: row('input', 'no kernel in the repositories fits the request'),
  KERNEL_INCOMPLETE: row(
    'input',
    'the repository has the kernel asked for, but not all of its packages',
    'the mirror may be in the middle of a synchronisation; try again later',
  ),
  KERNEL_VARIANT_NOT_SUPPORTED: row(
    'refused',
    'the base image or the request has a real-time or 64k-page kernel, and only the default kernel is supported',
  ),
  DOWNGRADE_REFUSED: row(
    'refused',
    'the kernel asked for is older than the kernel of the base image, or an extra package older than that of the base image',
    'set allow-downgrade: true if you want this, for the kernel',
  ),
  RPM_INVALID: row('input', 'an RPM file cannot be read'),
  RPM_IDENTITY_MISMATCH: row('refused', 'the header of an RPM file names another package than the repository metadata'),
  RPM_DIGEST_MISMATCH: row(
    'refused',
    'header or payload of an RPM file do not have the digests that the file itself gives',
    'header and payload do not belong together, or the file is damaged; do not use it',
  ),
  RPM_SIGNATURE_MISSING: row(
    'refused',
    'an RPM file has no OpenPGP signature over its header',
    'use packages that are signed; allow-unsigned-packages: true accepts this one, and the pull request says so',
  ),
  RPM_SIGNATURE_INVALID: row(
    'refused',
    'a signature of an RPM file cannot be read, or does not fit its header',
    'do not use this package until it is known why',
  ),
  RPM_SIGNATURE_WEAK: row(
    'refused',
    'an RPM file is signed with a hash or a key that no longer protects it: MD5, SHA-1, RIPEMD-160, DSA, RSA below 2048 bits',
    'have the package signed again',
  ),
  RPM_SIGNATURE_EXPIRED: row('refused', 'the signature of an RPM file has expired', 'have the package signed again'),
  RPM_KEY_UNKNOWN: row(
    'refused',
    'an RPM file is signed, but by none of the keys of rpm-keys',
    'if the package is from where you think, pin its key with rpm-keys, after you compared its fingerprint with its owner’s',
  ),
  RPM_KEY_EXPIRED: row(
    'refused',
    'the key that signed an RPM file has expired, or was not valid yet',
    'get the newer version of the key from its owner',
  ),
  RPM_KEY_REVOKED: row('refused', 'the key that signed an RPM file was revoked', 'do not use this package'),
  RPM_KEY_UNUSABLE: row(
    'refused',
    'the key that signed an RPM file may not sign, or its own signatures do not bind it to the pinned key',
    'get the newer version of the key from its owner',
  ),
  RPM_KEY_FILE_INVALID: row(
    'input',
    'a key of rpm-keys cannot be read, or is not the one with the fingerprint given',
    'compare the fingerprint with the one that the owner of the key publishes',
  ),
  EXTRA_PACKAGE_NOT_FOUND: row('input', 'a package of extra-packages is in no repository'),
  DEPENDENCY_BROKEN: row('refused', 'the chosen packages and the packages of the base image do not go together'),

  // build
  BUILDER_NOT_FOUND: row(
    'input',
    'no container builder can be used here: podman, buildah or docker',
    'install podman, or give an already built image with image',
  ),
  BUILD_FAILED: row('input', 'the container build ended with an error'),
  LAYERING_NOT_SUPPORTED: row(
    'refused',
    'the base image has neither rpm-ostree with an ostree repository nor dnf, or it boots a unified kernel image',
    'give a Containerfile of yours with containerfile, or an already built image with image; see docs/layering.md',
  ),
  CONTAINERFILE_INVALID: row(
    'settings',
    'the Containerfile given with containerfile is not built on the base image',
    'see docs/layering.md for what it must have',
  ),

  // GitOps repository, pull request
  GITOPS_NOT_FOUND: row('remote', 'the GitOps repository does not exist, or the token cannot see it'),
  BASE_BRANCH_NOT_FOUND: row('remote', 'the base branch does not exist in the GitOps repository'),
  TOKEN_MISSING: row(
    'settings',
    'no token for the GitOps repository is given',
    'set gitops-token, or GITOPS_TOKEN or GITHUB_TOKEN in the environment',
  ),
  TOKEN_DENIED: row(
    'remote',
    'the token lacks a right that is needed',
    'the token needs contents: write and pull-requests: write on the GitOps repository; see docs/permissions.md',
  ),
  GITHUB_ERROR: row('remote', 'the GitHub API answers with an error'),
  BRANCH_MOVED: row('remote', 'the branch was changed by somebody else at the same time', 'run again'),
  BRANCH_HAS_FOREIGN_COMMITS: row(
    'refused',
    'the branch of the pull request holds commits that are not ours',
    'merge or close that pull request, or delete its branch',
  ),
  YAML_INVALID: row('input', 'a YAML file of the GitOps repository cannot be read'),
  MACHINE_CONFIG_AMBIGUOUS: row('refused', 'several MachineConfigs set osImageURL for one pool'),
  MACHINE_CONFIG_OVERRIDDEN: row('refused', 'another MachineConfig sorts later and would win over ours'),
  MACHINE_CONFIG_KERNEL_TYPE: row(
    'refused',
    'a MachineConfig of the pool sets a kernelType other than default',
    'the node would replace the kernel of the image, so no prediction would hold',
  ),
  POOL_NOT_SUPPORTED: row(
    'refused',
    'the nodes of a pool would not boot the image that its MachineConfig names, or the pool would degrade',
  ),
  EDIT_WOULD_TOUCH_MORE: row('refused', 'an edit would change more than the value it is meant to change'),
  LAYOUT_NOT_SUPPORTED: row(
    'refused',
    'the directory holds Argo CD or Flux objects, and this version orders nothing for them',
    'set layout: plain if you apply values before images yourself',
  ),
  RECORD_INVALID: row('input', 'a record or the lock in the GitOps repository cannot be read'),
  LOG_UNSUITABLE: row(
    'refused',
    'an event log given with --substitute cannot stand for the platform: it is damaged, of another Secure Boot state, or at odds with the profile',
    'record a log on a machine of this platform, in the state that is predicted',
  ),
  LOG_DIFFERS: row('input', 'an event log does not replay to the PCR values given'),

  // ours
  INTERRUPTED: row('remote', 'the run was cancelled from outside'),
  BUG: row('bug', 'an unexpected error inside attested-os-update', 'please report it with the log'),
} as const satisfies Record<string, CodeRow>

export type ErrorCode = keyof typeof errorCodes

/** Where something went wrong. `source` is an image reference, a URL or a file; `line` and `column` count from 1. */
export interface Where {
  readonly step?: string
  readonly source?: string
  readonly path?: string
  readonly offset?: number
  readonly line?: number
  readonly column?: number
}

export interface ToolErrorDetails {
  readonly found?: string
  readonly wanted?: string
  readonly where?: Where
  readonly hint?: string
  readonly cause?: unknown
}

/** A fault with a code. `message` says what; `found` and `wanted` say it exactly. Never a stack for the user. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly code: ErrorCode
  readonly found: string | undefined
  readonly wanted: string | undefined
  readonly where: Where
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: ToolErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.found = details.found
    this.wanted = details.wanted
    this.where = details.where ?? {}
    const standing: CodeRow = errorCodes[code]
    this.hint = details.hint ?? standing.hint
  }

  get kind(): ErrorKind {
    return errorCodes[this.code].kind
  }
}

/** Several faults found together; never empty. */
export class ToolErrors extends Error {
  override readonly name = 'ToolErrors'
  readonly errors: readonly ToolError[]

  constructor(errors: readonly ToolError[]) {
    super(errors.map(error => error.message).join('; '))
    this.errors = errors
  }
}

/** Throws the one error, or all of them together; returns when there is none. */
export function throwAll(errors: readonly ToolError[]): void {
  const [first, ...others] = errors
  if (first === undefined) return
  throw others.length === 0 ? first : new ToolErrors(errors)
}

/**
 * Runs one step and notes its name in faults that do not say yet where they happened.
 * `source` (an image, a URL, a file) is added likewise.
 */
export async function inStep<T>(step: string, work: () => Promise<T>, source?: string): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw withStep(error, step, source)
  }
}

function withStep(error: unknown, step: string, source: string | undefined): unknown {
  if (error instanceof ToolErrors) return new ToolErrors(error.errors.map(one => placed(one, step, source)))
  return error instanceof ToolError ? placed(error, step, source) : error
}

function placed(error: ToolError, step: string, source: string | undefined): ToolError {
  const where = {
    ...error.where,
    step: error.where.step ?? step,
    ...(error.where.source === undefined && source !== undefined ? { source } : {}),
  }
  return new ToolError(error.code, error.message, {
    ...(error.found === undefined ? {} : { found: error.found }),
    ...(error.wanted === undefined ? {} : { wanted: error.wanted }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    where,
    cause: error.cause,
  })
}
