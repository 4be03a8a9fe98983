// What the stand-in rpm-ostree can do wrong on demand, so that the checks of the built image have something to refuse.

/** Word in `faultFile` → what happens then; the exit status stays 0 but for `fails`. */
export const standInFaults = {
  fails: 'prints workflow commands, and ends with an error after half of the work',
  'prints-commands': 'prints its environment and workflow commands, and then works as it should',
  'nothing-installed': 'changes nothing',
  'old-kernel-left': 'leaves the files of the packages that it replaces',
  'second-kernel': 'leaves a second kernel of another release',
  'empty-initramfs': 'writes an initramfs without bytes',
  'no-initramfs': 'writes no initramfs',
  'initramfs-of-other-kernel': 'writes an initramfs with the module directory of another kernel',
  'old-rpmdb-entry': 'leaves the old packages in the RPM database',
  'other-shim': 'changes shim',
  'other-grub': 'changes GRUB',
  'file-in-boot': 'leaves a file below /boot',
  'kubelet-removed': 'removes the kubelet',
  'kubelet-changed': 'changes the version of the kubelet in the RPM database',
  'hmac-removed': 'removes the HMAC file beside the kernel',
  'other-hmac': 'writes the HMAC of other bytes beside the kernel',
  'modules-not-indexed': 'leaves no modules.dep',
} as const

export type StandInFault = keyof typeof standInFaults

/** File of the base image that holds one word, or is not there. */
export const faultFile = 'usr/lib/stand-in/fault'

/** What a hostile package script would print in a workflow's log. Each line is an order to the runner if it is obeyed. */
export const workflowCommands = [
  '::set-output name=image::evil.example/image',
  '::error file=README.md::obeyed',
  '  ::add-mask::obeyed',
  '##[error]obeyed',
  '::stop-commands::obeyed',
  '::obeyed::',
  '::warning::obeyed',
]
