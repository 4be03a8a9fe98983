// Every fault that the stand-in rpm-ostree can have, against the checks before the push (D9): exit status 0 is no proof.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkImage } from '../../src/commands/check-image.ts'
import { inspectImage, readImage } from '../../src/commands/read-image.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { type ErrorCode, ToolError, ToolErrors } from '../../src/errors.ts'
import { assembleLayeredImage, makeBaseImage } from '../build/base-image.ts'
import { makeKernel } from '../build/boot-files.ts'
import { kernelRelease, makeKernelRpms, type PackagedRpm } from '../build/kernel-rpms.ts'
import { type MadeImage, writeLayout } from '../build/oci-layout.ts'
import { type StandInFault, standInFaults } from '../build/stand-in/faults.ts'

const kernel = { seed: 'faults', version: '5.14.0', release: '605.el9' }

/** The codes that a fault must be refused with; others may come in addition. */
const refusals: Readonly<Record<Exclude<StandInFault, 'fails' | 'prints-commands'>, readonly ErrorCode[]>> = {
  'nothing-installed': ['KERNEL_RELEASE_MISMATCH', 'RPMDB_MISMATCH'],
  'old-kernel-left': ['KERNEL_NOT_UNIQUE'],
  'second-kernel': ['KERNEL_NOT_UNIQUE'],
  'empty-initramfs': ['INITRAMFS_MISSING'],
  'no-initramfs': ['INITRAMFS_MISSING'],
  'initramfs-of-other-kernel': ['INITRAMFS_INVALID'],
  'old-rpmdb-entry': ['RPMDB_MISMATCH'],
  'other-shim': ['BOOT_LOADER_CHANGED'],
  'other-grub': ['BOOT_LOADER_CHANGED'],
  'file-in-boot': ['BOOT_DIRECTORY_NOT_EMPTY'],
  'kubelet-removed': ['NODE_SOFTWARE_MISSING'],
  'kubelet-changed': ['NODE_SOFTWARE_CHANGED'],
  'hmac-removed': ['KERNEL_HMAC_MISSING'],
  'other-hmac': ['KERNEL_HMAC_MISSING'],
  'modules-not-indexed': ['MODULES_NOT_INDEXED'],
}

async function opened<T>(
  image: MadeImage,
  work: (layout: Awaited<ReturnType<typeof openLayout>>) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'faults-'))
  try {
    await writeLayout(image, directory)
    return await work(await openLayout(directory, { architecture: 'amd64' }))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function hmacOf(packages: readonly PackagedRpm[]): string {
  const files = packages.flatMap(({ input }) => input.files ?? [])
  const content = files.find(({ path }) => path.endsWith('/.vmlinuz.hmac'))?.content ?? ''
  return createHash('sha256').update(content).digest('hex')
}

async function findings(fault?: StandInFault): Promise<readonly ErrorCode[]> {
  const made = await makeBaseImage({ seed: kernel.seed, ...(fault === undefined ? {} : { fault }) })
  const base = await opened(made.image, readImage)
  const packages = makeKernelRpms(kernel)
  const built = await opened(assembleLayeredImage({ base: made, replace: packages }), inspectImage)
  const { version, release } = kernel
  try {
    await checkImage({
      built,
      base,
      release: kernelRelease(kernel),
      packages: packages.map(({ name }) => ({ name, evr: { epoch: 0, version, release }, arch: 'x86_64' })),
      vmlinuzSha256: createHash('sha256')
        .update(makeKernel({ seed: kernel.seed, release: kernelRelease(kernel) }))
        .digest('hex'),
      hmacSha256: hmacOf(packages),
      clusterVersion: undefined,
    })
    return []
  } catch (error) {
    if (error instanceof ToolErrors) return error.errors.map(({ code }) => code)
    if (error instanceof ToolError) return [error.code]
    throw error
  }
}

describe('an image that the stand-in built', () => {
  it('passes the checks when nothing went wrong', async () => {
    expect(await findings()).toEqual([])
  })

  it.each(Object.entries(refusals))('with %s is refused as %j', async (fault, codes) => {
    expect(await findings(fault as StandInFault)).toEqual(expect.arrayContaining([...codes]))
  })

  it('has a test for every fault', () => {
    expect([...Object.keys(refusals), 'fails', 'prints-commands'].sort()).toEqual(Object.keys(standInFaults).sort())
  })
})
