// The PCRs that a prediction says nothing of, each with its reason.

import type { Boot } from './boot.ts'
import type { Prediction } from './prediction.ts'

type Reason = Prediction['notPredicted'][number]

/** Reasons that hold for every boot chain. */
const always: readonly Reason[] = [
  { pcr: 0, because: 'firmware code; belongs to the machine' },
  { pcr: 1, because: 'firmware settings and boot variables; belong to the machine' },
  { pcr: 2, because: 'option ROMs; belong to the machine' },
  { pcr: 3, because: 'option ROM settings; belong to the machine' },
  { pcr: 5, because: 'partition table; its identifiers differ on every disk' },
  { pcr: 6, because: 'the maker of the machine decides what goes there' },
  { pcr: 10, because: 'extended by the kernel’s IMA while it runs' },
  { pcr: 15, because: 'extended by system software after boot' },
]

const unused = 'not used by this boot chain'

/** All PCRs from 0 to 15 that `predicted` does not have, in order. */
export function notPredicted(
  { grub, uki, systemdBoot, shim }: Boot,
  predicted: readonly number[],
  special: readonly Reason[],
): readonly Reason[] {
  const reasons: Reason[] = [
    ...always,
    { pcr: 7, because: 'Secure Boot keys and the certificates that were used; needs a platform profile' },
    ...(grub === undefined
      ? [
          { pcr: 8, because: unused },
          { pcr: 9, because: 'the kernel measures its initramfs and load options there; with what else is not known' },
        ]
      : [
          { pcr: 8, because: 'every command that GRUB runs; differs between machines and boots' },
          { pcr: 9, because: 'every file that GRUB reads; differs between machines and boots' },
        ]),
    { pcr: 11, because: unused },
    {
      pcr: 12,
      because:
        uki === undefined && systemdBoot === undefined
          ? unused
          : 'command line, credentials and add-ons that come from outside of the boot files',
    },
    {
      pcr: 13,
      because:
        uki === undefined && systemdBoot === undefined
          ? unused
          : 'system extensions that come from outside of the boot files',
    },
    { pcr: 14, because: shim === undefined ? unused : 'needs what is not known of this machine' },
  ]
  const known = [...predicted, ...special.map(({ pcr }) => pcr)]
  return [...special, ...reasons.filter(({ pcr }) => !known.includes(pcr))].toSorted((a, b) => a.pcr - b.pcr)
}
