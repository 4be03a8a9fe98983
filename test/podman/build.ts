// One container build for tests: a base in a registry on loopback, packages in a context, the layout that comes out.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Builder, type BuildRequest, type BuildResult, buildImage } from '../../src/edge/builder.ts'
import type { PinnedReference } from '../../src/formats/oci/reference.ts'
import { renderContainerfile } from '../../src/layering/containerfile.ts'
import { planLayering } from '../../src/layering/layering-plan.ts'
import type { BaseImage } from '../build/base-image.ts'
import { kernelRelease, type PackagedRpm } from '../build/kernel-rpms.ts'
import type { MadeImage } from '../build/oci-layout.ts'
import { startRegistry, type TestRegistry } from '../build/registry.ts'

export interface BuildRun {
  readonly result: BuildResult
  readonly layout: string
  readonly log: string
  /** Is empty again when the storage was removed. */
  readonly workDirectory: string
}

/** A directory with a colon-free path; removed by `close`. */
export class BuildBench {
  readonly directory: string
  readonly registry: TestRegistry
  #runs = 0

  constructor(registry: TestRegistry) {
    this.registry = registry
    this.directory = mkdtempSync(join(tmpdir(), 'build-bench-'))
  }

  static async open(): Promise<BuildBench> {
    return new BuildBench(await startRegistry())
  }

  async close(): Promise<void> {
    await this.registry.close()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Puts a base into the registry. */
  publish(base: BaseImage): PinnedReference {
    return this.publishImage(base.image)
  }

  publishImage(image: MadeImage): PinnedReference {
    this.registry.add('coreos', image, 'stable')
    return { registry: this.registry.host, repository: 'coreos', digest: image.digest }
  }

  /** The Containerfile that `update` would write for these packages. */
  containerfile(base: PinnedReference, made: BaseImage, packages: readonly PackagedRpm[]): string {
    const [first] = packages
    const paths = new Set(made.entries.map(({ path }) => path))
    const plan = planLayering({
      base,
      baseName: `${base.registry}/${base.repository}:stable`,
      kernelRelease: first === undefined ? 'none' : kernelRelease(first.input),
      packages: packages.map(({ name, file }) => ({ name, file })),
      installed: new Set(['kernel', 'kernel-core', 'kernel-modules', 'kernel-modules-core', 'kernel-modules-extra']),
      baseHas: path => paths.has(path),
    })
    return renderContainerfile(plan)
  }

  async run(
    builder: Builder,
    base: PinnedReference,
    packages: readonly PackagedRpm[],
    containerfile: string,
    environment: BuildRequest['environment'] = process.env,
  ): Promise<BuildRun> {
    this.#runs += 1
    const run = join(this.directory, `${this.#runs}`)
    const context = join(run, 'context')
    const workDirectory = join(run, 'work')
    const layout = join(run, 'layout')
    mkdirSync(join(context, 'rpms'), { recursive: true })
    mkdirSync(workDirectory)
    // in another order and with other times in each run
    const written = this.#runs % 2 === 0 ? packages : [...packages].reverse()
    for (const { file, bytes } of written) {
      writeFileSync(join(context, 'rpms', file), bytes)
      utimesSync(join(context, 'rpms', file), this.#runs * 1000, this.#runs * 1000)
    }
    let log = ''
    const result = await buildImage({
      builders: [builder],
      base,
      contextDirectory: context,
      containerfile,
      layoutDirectory: layout,
      workDirectory,
      insecureRegistry: true,
      sourceDateEpoch: 1_767_225_600,
      environment,
      write: chunk => {
        log += chunk.toString('utf8')
      },
    })
    return { result, layout, log, workDirectory }
  }

  /** The work directory of the last run. */
  get lastWorkDirectory(): string {
    return join(this.directory, `${this.#runs}`, 'work')
  }
}

export interface LayoutImage {
  readonly manifestDigest: string
  readonly manifest: { readonly mediaType?: string; readonly layers: readonly { readonly digest: string }[] }
  readonly config: {
    readonly config: { readonly Labels: Readonly<Record<string, string>> }
    readonly rootfs: { readonly diff_ids: readonly string[] }
  }
}

export function readLayout(layout: string): LayoutImage {
  const read = (digest: string) => JSON.parse(readFileSync(blobPath(layout, digest), 'utf8'))
  const manifestDigest = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0].digest
  const manifest = read(manifestDigest)
  return { manifestDigest, manifest, config: read(manifest.config.digest) }
}

export function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length))
}

/** Unpacks one layer with the system's tar and returns its directory. */
export function unpackLayer(layout: string, digest: string, into: string): string {
  return unpackBytes(readFileSync(blobPath(layout, digest)), into)
}

export function unpackBytes(gzipped: Uint8Array, into: string): string {
  mkdirSync(into, { recursive: true })
  const { status, stderr } = spawnSync('tar', ['-xzf', '-', '-C', into], { input: gzipped, encoding: 'utf8' })
  if (status !== 0) throw new Error(`tar: ${stderr}`)
  return into
}
