// What a container engine makes of an image: podman pulls it into a store of its own and mounts it. A fresh store per image: layers that a store has already are not checked again.

import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Not the synchronous one: registries that these programs ask may live in this process. */
export const run = promisify(execFile)

/** Roots that keep images; everything is gone again after `remove`. */
export class ImageStore {
  readonly directory: string
  readonly options: readonly string[]

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'image-store-'))
    const at = (name: string) => join(this.directory, name)
    for (const name of ['root', 'run', 'work']) mkdirSync(at(name))
    this.options = ['--root', at('root'), '--runroot', at('run'), '--storage-driver', 'overlay']
  }

  /** A place for contexts and layouts. */
  path(...names: readonly string[]): string {
    return join(this.directory, 'work', ...names)
  }

  async podman(...words: readonly string[]): Promise<string> {
    return (await run('podman', [...this.options, ...words])).stdout.trim()
  }

  async buildah(...words: readonly string[]): Promise<string> {
    return (await run('buildah', [...this.options, ...words])).stdout.trim()
  }

  /** Name of an image of this store, for skopeo. */
  reference(name: string): string {
    return `containers-storage:[overlay@${join(this.directory, 'root')}+${join(this.directory, 'run')}]${name}`
  }

  /** The directory with the image's root. Throws when podman or skopeo refuse the image. */
  async mount(image: string): Promise<string> {
    const name = 'localhost/image:case'
    await run('skopeo', ['copy', '--quiet', '--src-tls-verify=false', image, this.reference(name)])
    return await this.mountOwn(name)
  }

  /** The same of an image that is in the store. */
  mountOwn(name: string): Promise<string> {
    return this.podman('image', 'mount', name)
  }

  remove(): void {
    spawnSync('buildah', [...this.options, 'rm', '--all'])
    // takes the mounts of the store away too
    spawnSync('podman', [...this.options, 'image', 'umount', '--all', '--force'])
    spawnSync('podman', [...this.options, 'rmi', '--all', '--force'])
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Gives `use` a fresh store. */
export async function withStore<T>(use: (store: ImageStore) => Promise<T>): Promise<T> {
  const store = new ImageStore()
  try {
    return await use(store)
  } finally {
    store.remove()
  }
}
