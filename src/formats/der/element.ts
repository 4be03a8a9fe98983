// Elements of DER (ITU-T X.690) with their raw bytes. asn1js finds the structure; nothing is ever encoded again.

import { type BaseBlock, fromBER } from 'asn1js'
import { type ErrorCode, ToolError } from '../../errors.ts'

export type TagClass = 'universal' | 'application' | 'context' | 'private'

/** One element. Which fault code its readers throw, and where it came from, travel with it. */
export interface DerElement {
  readonly tagClass: TagClass
  readonly tagNumber: number
  /** Tag, length and content as they stand in the input. */
  readonly bytes: Uint8Array
  /** The content alone. */
  readonly content: Uint8Array
  /** Empty for a primitive element. */
  readonly children: readonly DerElement[]
  readonly origin: DerOrigin
}

export interface DerOrigin {
  readonly source: string
  /** Names down to this element. */
  readonly path: string
  readonly code: ErrorCode
}

export const tags = { integer: 2, octetString: 4, objectIdentifier: 6, sequence: 16, set: 17 } as const

const classes: readonly (TagClass | undefined)[] = [undefined, 'universal', 'application', 'context', 'private']

/** Nesting and number of elements that real signatures stay far below. */
const limits = { maxDepth: 32, maxNodes: 20_000, parseEmbedded: false, copyInput: false }

/** Reads the one element that `bytes` begin with; what follows it is left alone. Throws `origin.code`. */
export function parseDer(bytes: Uint8Array, origin: DerOrigin): DerElement {
  let block: BaseBlock
  try {
    const { offset, result } = fromBER(new Uint8Array(bytes), limits)
    if (offset < 0) throw derError(origin, result.error, 'one DER element')
    block = result
  } catch (error) {
    if (error instanceof ToolError) throw error
    throw derError(origin, error instanceof Error ? error.message : String(error), 'one DER element')
  }
  return element(block, origin)
}

function element(block: BaseBlock, origin: DerOrigin): DerElement {
  const tagClass = classes[block.idBlock.tagClass]
  if (tagClass === undefined || block.lenBlock.isIndefiniteForm)
    throw derError(origin, 'an indefinite length or unknown tag class', 'DER')
  const bytes = block.valueBeforeDecodeView
  const content = bytes.subarray(block.idBlock.blockLength + block.lenBlock.blockLength)
  const inside: unknown = 'value' in block.valueBlock ? block.valueBlock.value : undefined
  const children =
    block.idBlock.isConstructed && Array.isArray(inside) ? inside.map(child => element(child, origin)) : []
  // asn1js lets an element reach over the end of the one around it
  const inner = children.reduce((sum, child) => sum + child.bytes.length, 0)
  if (block.lenBlock.length !== content.length || (block.idBlock.isConstructed && inner !== content.length))
    throw derError(origin, 'an element longer or shorter than what is in it', 'DER')
  return {
    tagClass,
    tagNumber: block.idBlock.tagNumber,
    bytes,
    content,
    children,
    origin,
  }
}

/** True for a universal tag of that number. */
export function isUniversal(element: DerElement, tagNumber: number): boolean {
  return element.tagClass === 'universal' && element.tagNumber === tagNumber
}

/** The child at `index`, which has to be there. */
export function childAt(parent: DerElement, index: number, name: string): DerElement {
  const child = parent.children[index]
  if (child === undefined) throw derError(parent.origin, `${parent.children.length} elements`, name)
  return child
}

/** The child at `index`, which has to have that universal tag. */
export function universalAt(parent: DerElement, index: number, tagNumber: number, name: string): DerElement {
  const child = childAt(parent, index, name)
  if (!isUniversal(child, tagNumber)) throw derError(parent.origin, `tag ${child.tagClass} ${child.tagNumber}`, name)
  return child
}

/** The dotted form of an OBJECT IDENTIFIER. Arcs above 2^53 are refused. */
export function objectIdentifier(element: DerElement): string {
  const arcs: number[] = []
  let arc = 0
  for (const byte of element.content) {
    arc = arc * 128 + (byte & 0x7f)
    if (!Number.isSafeInteger(arc)) throw derError(element.origin, 'a huge arc', 'an object identifier')
    if (byte >= 0x80) continue
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(arc / 40))
      arcs.push(first, arc - first * 40)
    } else arcs.push(arc)
    arc = 0
  }
  if (!isUniversal(element, tags.objectIdentifier) || arcs.length === 0 || arc !== 0)
    throw derError(element.origin, 'no object identifier', 'an object identifier')
  return arcs.join('.')
}

export function derError(origin: DerOrigin, found: string, wanted: string): ToolError {
  return new ToolError(origin.code, `cannot read ${origin.path}`, {
    found,
    wanted,
    where: { source: origin.source, path: origin.path },
  })
}
