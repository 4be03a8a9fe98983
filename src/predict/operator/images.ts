// What the operator publishes for images, from their boot files: its own job's view of each, or its label, combined.

import { ToolError } from '../../errors.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import type { BootFile } from '../../image/boot-file.ts'
import { type Boot, type LoadFile, makeBoot } from '../boot.ts'
import { checkOperatorCanCompute } from '../coverage.ts'
import { parsePcrLabel } from '../output/pcr-label.ts'
import type { Prediction } from '../prediction.ts'
import type { OperatorEvent } from './events.ts'
import { type OperatorJobFiles, operatorJobEvents } from './job.ts'
import { type OperatorPublication, operatorPublication, valuesNotPublished } from './publication.ts'
import { operatorSystem } from './systems.ts'

export interface ImageToApprove {
  /** Digest, or a name. */
  readonly digest: string
  readonly files: readonly BootFile[]
  readonly os: { readonly id: string | null; readonly versionId: string | null }
  /** Text of the label org.coreos.pcrs; its events go before what the job would compute. */
  readonly label?: string | undefined
}

/**
 * The operator's values when exactly these images are approved. An image that its job cannot compute adds nothing, and a
 * warning says so. Throws as `makeBoot`.
 */
export function publicationOfImages(images: readonly ImageToApprove[], load?: LoadFile): OperatorPublication {
  const failed: string[] = []
  const computed = images.flatMap(image => {
    try {
      const labelled = image.label === undefined ? undefined : labelEvents(image.label, image.digest, failed)
      return [{ image: image.digest, events: labelled ?? jobEvents(image, load) }]
    } catch (error) {
      if (!(error instanceof ToolError) || error.code !== 'OPERATOR_WOULD_NOT_APPROVE') throw error
      failed.push(`${image.digest}: ${error.message}: ${error.found ?? ''}`)
      return []
    }
  })
  const { values, warnings } = operatorPublication(computed)
  return { values, warnings: [...failed, ...warnings] }
}

/**
 * An image that carries a label, of its base for example, is judged by the label. Throws OPERATOR_WOULD_NOT_APPROVE when the operator would
 * publish other values by it than nodes need.
 */
export function checkOperatorLabel(image: ImageToApprove, predictions: readonly Prediction[]): void {
  // without a label, and with one that the operator cannot read, its job computes
  if (image.label === undefined || labelEvents(image.label, image.digest, []) === undefined) return
  const publication = publicationOfImages([image])
  const needed = predictions.flatMap(({ pcrs, secureBoot }) =>
    Object.entries(pcrs).flatMap(([pcr, { sha256 }]) =>
      sha256 === undefined ? [] : [{ pcr: Number(pcr), sha256, because: `Secure Boot ${secureBoot ? 'on' : 'off'}` }],
    ),
  )
  const [missing] = valuesNotPublished(publication, needed)
  if (missing === undefined) return
  throw new ToolError('OPERATOR_WOULD_NOT_APPROVE', 'the image has a label org.coreos.pcrs with other values', {
    found: `PCR ${missing.pcr} by the label: ${publication.values[`tpm_pcr${missing.pcr}`]?.join(', ') ?? 'none'}`,
    wanted: missing.sha256,
    where: { source: image.digest },
    hint: 'a layered image inherits the labels of its base: remove the label from the base image, or use target trustee',
  })
}

/** The operator passes over a label that it cannot read, with a warning. */
function labelEvents(label: string, digest: string, warnings: string[]): readonly OperatorEvent[] | undefined {
  try {
    return parsePcrLabel(label, digest).flatMap(({ events }) => events)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    warnings.push(
      `${digest}: the label org.coreos.pcrs cannot be read, so the job computes: ${error.found ?? error.message}`,
    )
    return undefined
  }
}

function jobEvents({ files, os }: ImageToApprove, load?: LoadFile): readonly OperatorEvent[] {
  checkOperatorCanCompute(files, os)
  return operatorJobEvents(readByJob(makeBoot(files, load)), operatorSystem(os))
}

/** It hashes shim and GRUB, and takes the digest of the kernel from the kernel's first signature. */
function readByJob({ chain, shim, grub, kernel }: Boot): OperatorJobFiles {
  if (shim === undefined || grub === undefined || kernel === undefined)
    throw new ToolError('OPERATOR_WOULD_NOT_APPROVE', 'the operator cannot compute the values of this image', {
      found: `boot chain ${chain}`,
      wanted: 'shim, GRUB and a kernel',
    })
  const claimed = kernel.signatures[0]?.digest ?? new Uint8Array(0)
  return {
    shim: formatHex(shim.file.digests.sha256),
    grub: formatHex(grub.digests.sha256),
    kernel: formatHex(claimed),
  }
}
