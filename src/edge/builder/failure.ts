// Faults of the container build. Words of other programs choose the explanation here, never the outcome.

import { type ErrorCode, ToolError } from '../../errors.ts'
import type { CommandResult } from './command.ts'

const ofUser =
  'this user has no range of user IDs for containers: give it one (usermod --add-subuids 200000-265535 --add-subgids 200000-265535 NAME), or run as root'

const ofHost =
  'this host lets users make no user namespaces (sysctl user.max_user_namespaces, on Ubuntu kernel.apparmor_restrict_unprivileged_userns); change that, or run as root'

/** What is known to go wrong, by a piece of the text that the programs print; the first that fits. */
const explanations: readonly { readonly text: string; readonly hint: string }[] = [
  { text: 'unshare(clone_newuser)', hint: ofHost },
  { text: 'cannot re-exec process', hint: ofHost },
  { text: 'no subuid ranges found', hint: ofUser },
  { text: 'error setting supplemental groups list', hint: ofUser },
  {
    text: 'not booted via libostree',
    hint: 'rpm-ostree finds no ostree repository in the base image; newer CoreOS images are built without one and need the dnf way, which is not supported yet',
  },
  {
    text: 'os error 95',
    hint: 'rpm-ostree cannot prepare the file system for package scripts on this host; known from hosts other than Fedora and RHEL (coreos/fedora-coreos-tracker#2213)',
  },
  {
    text: 'no space left on device',
    hint: 'a CoreOS build needs about three times the size of the base image; free some space or set TMPDIR to a larger disk',
  },
  {
    text: 'cannot be pulled anonymously',
    hint: 'log in to the registry of the base image, or set REGISTRY_AUTH_FILE',
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
  const hint = explanations.find(known => text.includes(known.text))?.hint
  return new ToolError(code, message, {
    found:
      result === undefined ? 'the program cannot be started' : [`exit status ${result.exitCode}`, ...lines].join('\n'),
    ...(hint === undefined ? {} : { hint }),
    ...(source === undefined ? {} : { where: { source } }),
  })
}
