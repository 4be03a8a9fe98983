// Faults of the container build. Words of other programs choose the explanation here, never the outcome.

import { type ErrorCode, ToolError } from '../../errors.ts'
import type { CommandResult } from './command.ts'

const ofUser =
  'this user has no range of user IDs for containers: give it one (usermod --add-subuids 200000-265535 --add-subgids 200000-265535 NAME), or run as root'

const ofHost =
  'this host lets users make no user namespaces (sysctl user.max_user_namespaces, on Ubuntu kernel.apparmor_restrict_unprivileged_userns); change that, or run as root'

interface Explanation {
  /** A piece of the text that the programs print, in lower case. */
  readonly text: string | RegExp
  readonly hint: string
}

/** What is known to go wrong; the first that fits. */
const explanations: readonly Explanation[] = [
  { text: 'unshare(clone_newuser)', hint: ofHost },
  { text: 'cannot re-exec process', hint: ofHost },
  { text: 'no subuid ranges found', hint: ofUser },
  { text: 'error setting supplemental groups list', hint: ofUser },
  {
    text: /requires buildkit|buildx component is missing/,
    hint: 'docker builds this with BuildKit only: install its plugin (docker-buildx), or use podman',
  },
  {
    text: 'exec format error',
    hint: 'the programs of the image are for another architecture than this machine: build on a machine of that architecture, or install an emulator (qemu-user-static)',
  },
  {
    text: 'not booted via libostree',
    hint: 'rpm-ostree finds no ostree repository in the base image; newer CoreOS images are built without one and need the dnf way or your own containerfile',
  },
  {
    text: 'os error 95',
    hint: 'rpm-ostree cannot prepare the file system for package scripts on this host; known from hosts other than Fedora and RHEL (coreos/fedora-coreos-tracker#2213)',
  },
  {
    text: /could not resolve host|temporary failure in name resolution|network is unreachable/,
    hint: 'commands of a build have no network: everything they need must be in the base image or among the packages (docs/layering.md)',
  },
  {
    text: 'no space left on device',
    hint: 'a CoreOS build needs about three times the size of the base image; free some space or set TMPDIR to a larger disk',
  },
  {
    text: /dracut(?:\[[ef]\]|: (?:failed|error|cannot|can't|fatal))|failed to (?:re)?generate initramfs/,
    hint: 'the tools that make the initramfs failed; the lines above name the module or file that they miss in the image',
  },
  {
    text: /certificate (?:has )?expired|expired certificate|entitlement .*expired|expired entitlement/,
    hint: 'a certificate has expired: that of the registry, or the entitlement of a repository that the build asks (subscription-manager refresh)',
  },
  {
    text: /certificate signed by unknown authority|unable to get local issuer certificate/,
    hint: 'the registry has a certificate of an authority that this machine does not know: give its certificate with ca-bundle',
  },
  {
    text: /unauthorized|authentication required|access denied|denied: |no basic auth credentials|cannot be pulled anonymously/,
    hint: 'the registry gives the base image to nobody without a login: log in to it, set REGISTRY_AUTH_FILE or give pull-secret',
  },
  {
    text: 'operation not supported',
    hint: 'the file system or the kernel of this host cannot do what the build asks for: use another directory (TMPDIR on ext4 or xfs) or another host',
  },
]

/** The error of a program that ended with a failure: exit status, its last lines, an explanation where one is known. */
export function builderFailure(
  code: ErrorCode,
  message: string,
  result: CommandResult | undefined,
  source?: string,
): ToolError {
  const lines = result?.lastLines.filter(line => line.trim() !== '') ?? []
  const text = lines.join('\n').toLowerCase()
  const hint = explanations.find(known =>
    typeof known.text === 'string' ? text.includes(known.text) : known.text.test(text),
  )?.hint
  return new ToolError(code, message, {
    found:
      result === undefined ? 'the program cannot be started' : [`exit status ${result.exitCode}`, ...lines].join('\n'),
    ...(hint === undefined ? {} : { hint }),
    ...(source === undefined ? {} : { where: { source } }),
  })
}
