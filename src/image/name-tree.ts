// Directories and symbolic links of one layer by their paths, part by part, in typed arrays: an archive may have millions.

import { ToolError } from '../errors.ts'

/** Bytes of memory that one name costs besides its own, about. */
export const treeNameCost = 40

export const rootOfNames = 0
export const noName = -1

export type NamedKind = 'directory' | 'symlink'

/** Names whose sums fall together so often are made for it. */
const mostProbes = 500

export class NameTree {
  readonly #source: string
  /** Of each name, by number: its directory, where its text begins in `#text`, the length of that, and where a link's target is; 0 for directories. */
  #parents = new Int32Array(64)
  #starts = new Uint32Array(64)
  #lengths = new Uint16Array(64)
  #targets = new Uint32Array(64)
  /** For whoever fills the tree. */
  #marks = new Uint8Array(64)
  #count = 1
  /** Parts of paths, and targets with four bytes of length in front. Nothing begins at 0. */
  #text = Buffer.allocUnsafeSlow(1024)
  #end = 1
  /** Open addressing: numbers of names, 0 for none. */
  #slots = new Int32Array(128)

  constructor(source: string) {
    this.#source = source
  }

  /** Numbers are below this; directories come before what is in them; the root is 0. */
  get count(): number {
    return this.#count
  }

  /** Bytes of all names and targets. */
  get textLength(): number {
    return this.#end
  }

  kind(name: number): NamedKind {
    return this.#targets[name] === 0 ? 'directory' : 'symlink'
  }

  parent(name: number): number {
    return this.#parents[name] ?? noName
  }

  /** As `setMark` left it; 0 before. */
  mark(name: number): number {
    return this.#marks[name] ?? 0
  }

  setMark(name: number, mark: number): void {
    this.#marks[name] = mark
  }

  /** The last part of the path. */
  nameOf(name: number): string {
    const start = this.#starts[name] ?? 0
    return this.#text.toString('utf8', start, start + (this.#lengths[name] ?? 0))
  }

  pathOf(name: number): string {
    const parts: string[] = []
    for (let at = name; at > rootOfNames; at = this.parent(at)) parts.push(this.nameOf(at))
    return parts.reverse().join('/')
  }

  /** Of a symbolic link. */
  targetOf(name: number): string {
    const at = this.#targets[name] ?? 0
    return this.#text.toString('utf8', at + 4, at + 4 + this.#text.readUInt32LE(at))
  }

  /** The number of one name in a directory; -1 where it is not. */
  find(parent: number, name: string): number {
    const length = this.#write(name)
    return this.#slots[this.#slotOf(parent, length)] || noName
  }

  /** The number of a path without dots; -1 where it is not. */
  findPath(path: string): number {
    if (path === '') return rootOfNames
    let at = rootOfNames
    for (const part of path.split('/')) {
      at = this.find(at, part)
      if (at === noName) return noName
    }
    return at
  }

  /** Puts in a directory that `find` did not find. */
  add(parent: number, name: string): number {
    const length = this.#write(name)
    const number = this.#count
    if (number === this.#parents.length) this.#growNames()
    this.#slots[this.#slotOf(parent, length)] = number
    this.#parents[number] = parent
    this.#starts[number] = this.#end
    this.#lengths[number] = length
    this.#end += length
    this.#count += 1
    if (this.#count * 3 > this.#slots.length * 2) this.#growSlots()
    return number
  }

  /** Makes a name a symbolic link, or gives it another target. */
  setTarget(name: number, target: string): void {
    this.#room(4 + target.length * 3)
    const bytes = this.#text.write(target, this.#end + 4)
    this.#text.writeUInt32LE(bytes, this.#end)
    this.#targets[name] = this.#end
    this.#end += 4 + bytes
  }

  /** Puts the text behind all others, where it may stay or be written over; its length in bytes. */
  #write(name: string): number {
    this.#room(name.length * 3)
    const text = this.#text
    const start = this.#end
    for (let index = 0; index < name.length; index += 1) {
      const code = name.charCodeAt(index)
      if (code > 0x7f) return text.write(name, start)
      text[start + index] = code
    }
    return name.length
  }

  /** Where the name of `length` bytes behind all others is, or would be. */
  #slotOf(parent: number, length: number): number {
    const mask = this.#slots.length - 1
    let slot = this.#sum(parent, this.#end, length) & mask
    for (let probes = 0; probes < mostProbes; probes += 1) {
      const other = this.#slots[slot] ?? 0
      if (other === 0 || this.#isSame(other, parent, length)) return slot
      slot = (slot + 1) & mask
    }
    throw new ToolError('CEILING_REACHED', 'a layer has names that cannot be kept apart in good time', {
      wanted: `at most ${mostProbes} names with one sum`,
      where: { source: this.#source },
    })
  }

  #isSame(other: number, parent: number, length: number): boolean {
    if (this.#parents[other] !== parent || this.#lengths[other] !== length) return false
    const [text, start, end] = [this.#text, this.#starts[other] ?? 0, this.#end]
    for (let index = 0; index < length; index += 1) if (text[start + index] !== text[end + index]) return false
    return true
  }

  #sum(parent: number, start: number, length: number): number {
    let sum = Math.imul(parent + 1, 0x9e3779b1)
    for (let at = start; at < start + length; at += 1) {
      sum = Math.imul(sum ^ (this.#text[at] ?? 0), 0x85ebca6b)
      sum ^= sum >>> 13
    }
    sum = Math.imul(sum, 0xc2b2ae35)
    return (sum ^ (sum >>> 16)) >>> 0
  }

  #growNames(): void {
    const length = this.#parents.length * 2
    const grown = <T extends Int32Array | Uint32Array | Uint16Array | Uint8Array>(to: T, from: T): T => {
      to.set(from)
      return to
    }
    this.#parents = grown(new Int32Array(length), this.#parents)
    this.#starts = grown(new Uint32Array(length), this.#starts)
    this.#lengths = grown(new Uint16Array(length), this.#lengths)
    this.#targets = grown(new Uint32Array(length), this.#targets)
    this.#marks = grown(new Uint8Array(length), this.#marks)
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let name = 1; name < this.#count; name += 1) {
      let slot = this.#sum(this.#parents[name] ?? 0, this.#starts[name] ?? 0, this.#lengths[name] ?? 0) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = name
    }
    this.#slots = slots
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#text.length) return
    const text = Buffer.allocUnsafeSlow(Math.max(2 * this.#text.length, this.#end + bytes))
    this.#text.copy(text, 0, 0, this.#end)
    this.#text = text
  }
}
