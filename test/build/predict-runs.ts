// Images of synthetic boot files in every form that `predict` reads, and runs of the bundled CLI with its document.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import type { Prediction, PredictionDocument } from '../../src/predict/prediction.ts'
import { makeGrub, makeInitramfs, makeKernel, makeShim } from './boot-files.ts'
import { type ProgramRun, runCli } from './bundle-runner.ts'
import { file, type LayerEntry, makeLayer, makeTar } from './layer.ts'
import { type MadeImage, makeImage, writeLayout } from './oci-layout.ts'
import { expectClean } from './refusal.ts'

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

/** Runs `predict --json`; it must end well and print the document alone. */
export async function predicted(...words: readonly string[]): Promise<PredictionDocument> {
  const run = await runCli(['predict', '--json', ...words])
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
