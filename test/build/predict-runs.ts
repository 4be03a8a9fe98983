// Images of synthetic boot files in every form that `predict` reads, and runs of the bundled CLI with its document.

import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import type { Bank } from '../../src/formats/bytes/digest.ts'
import type { Prediction, PredictionDocument } from '../../src/predict/prediction.ts'
import { makeGrub, makeInitramfs, makeKernel, makeShim } from './boot-files.ts'
import { type ProgramRun, runCli } from './bundle-runner.ts'
import { file, type LayerEntry, makeLayer, makeTar } from './layer.ts'
import { type Machine, makeMachine, writeMachine } from './machine.ts'
import { folded } from './measured-boot.ts'
import { type MadeImage, makeImage, writeLayout } from './oci-layout.ts'
import { expectClean } from './refusal.ts'
import { writeTree } from './tree.ts'

export const vendorDirectory = 'usr/lib/bootupd/updates/EFI/redhat'
export const osRelease = 'ID="rhel"\nVERSION_ID="9.6"\n'

export interface GrubFiles {
  readonly shim: Uint8Array
  readonly grub: Uint8Array
  readonly kernel: Uint8Array
  readonly initramfs: Uint8Array
  readonly release: string
}

/** Signed files of shim, GRUB and Linux. */
export function grubFiles(seed: string, changes: Partial<GrubFiles> = {}): GrubFiles {
  const { release = '5.14.0-570.el9.x86_64' } = changes
  return {
    shim: makeShim({ seed }),
    grub: makeGrub({ seed }),
    kernel: makeKernel({ seed, release }),
    initramfs: makeInitramfs({ release, seed: `${seed}/${release}` }),
    release,
    ...changes,
  }
}

/** They where CoreOS has them. */
export function grubTree({ shim, grub, kernel, initramfs, release }: GrubFiles): LayerEntry[] {
  return [
    file('usr/lib/os-release', osRelease),
    file(`${vendorDirectory}/shimx64.efi`, shim),
    file(`${vendorDirectory}/grubx64.efi`, grub),
    file(`usr/lib/modules/${release}/vmlinuz`, kernel),
    file(`usr/lib/modules/${release}/initramfs.img`, initramfs),
  ]
}

export const imageOf = (entries: readonly LayerEntry[], architecture = 'amd64'): MadeImage =>
  makeImage({ layers: [makeLayer(entries)], architecture })

/** Writes an OCI layout and gives its source. */
export async function layoutOf(directory: string, image: MadeImage): Promise<string> {
  await writeLayout(image, directory, 'os')
  return `oci:${directory}:os`
}

/** Writes the layout in `directory` as one tar file, as skopeo does, and gives its source. */
export function archiveOf(directory: string): string {
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
  const archive = `${directory}.tar`
  const entries = paths.map(path => file(path.slice(directory.length + 1), new Uint8Array(readFileSync(path))))
  writeFileSync(archive, makeTar(entries))
  return `oci-archive:${archive}:os`
}

/** Writes images and profiles of one seed below a directory and gives the words for them. */
export function wordsFor(seed: string, directory: string) {
  const files = grubFiles(seed)
  const machine = makeMachine(seed)
  return {
    files,
    machine,
    /** `--image` for a root file system of these files. */
    tree(entries: readonly LayerEntry[]): readonly string[] {
      const root = mkdtempSync(join(directory, 'tree-'))
      writeTree(root, entries)
      return ['--image', `dir:${root}`]
    },
    /** `--image` for the seed's files of shim, GRUB and Linux, some of them changed. */
    image(changes: Partial<GrubFiles> = {}): readonly string[] {
      return this.tree(grubTree({ ...files, ...changes }))
    },
    /** `--platform rack=…` for a machine with Secure Boot on, and more files beside its variables. */
    platform(own: Machine = machine, more: Readonly<Record<string, Uint8Array | string>> = {}): readonly string[] {
      const place = mkdtempSync(join(directory, 'machine-'))
      const { efivars } = writeMachine(place, { seed, machine: own, secureBoot: true })
      for (const [name, content] of Object.entries(more)) writeFileSync(join(efivars, name), content)
      return ['--platform', `rack=${efivars}`]
    },
  }
}

/** PCR, type and SHA-256 of each event, to compare with `eventsIn`. */
export function shortEvents({ events }: Pick<Prediction, 'events'>) {
  return events.map(({ pcr, type, digests: { sha256 } }) => ({ pcr, type, sha256 }))
}

/** Every value of the prediction follows from its own events. */
export function expectFolds({ pcrs, events }: Prediction, banks: readonly Bank[] = ['sha256']): void {
  expect(Object.keys(pcrs).length).toBeGreaterThan(0)
  for (const [pcr, values] of Object.entries(pcrs)) {
    expect(Object.keys(values), `banks of PCR ${pcr}`).toEqual([...banks])
    const own = events.filter(event => `${event.pcr}` === pcr).map(({ digests }) => digests)
    for (const bank of banks) {
      const digests = own.map(one => one[bank])
      expect(values[bank], `PCR ${pcr}, ${bank}`).toBe(folded(bank, digests))
    }
  }
}

/** Runs `predict --json`; it must end well and print the document alone. */
export async function predicted(...words: readonly string[]): Promise<PredictionDocument> {
  const run = await runCli(['predict', '--json', '--quiet', ...words])
  expect(run.stderr).toBe('')
  expect(run.exitCode).toBe(0)
  expectClean(run)
  return JSON.parse(run.stdout)
}

/** The same for documents with one prediction. */
export async function onlyPrediction(...words: readonly string[]): Promise<Prediction> {
  const { predictions } = await predicted(...words)
  const [only] = predictions
  expect(predictions).toHaveLength(1)
  if (only === undefined) throw new Error('no prediction')
  return only
}

/** Runs a command that must be refused with this code, say so in words, and print nothing on stdout. */
export async function expectCliRefused(
  words: readonly string[],
  wanted: { readonly code: ErrorCode; readonly exitCode?: number; readonly says?: readonly string[] },
): Promise<ProgramRun> {
  const run = await runCli(words)
  expect(run.stderr).toMatch(new RegExp(`^${wanted.code}: `, 'm'))
  expect(run.exitCode).toBe(wanted.exitCode ?? 1)
  expect(run.stdout).toBe('')
  for (const text of wanted.says ?? []) expect(run.stderr).toContain(text)
  expectClean(run)
  return run
}
