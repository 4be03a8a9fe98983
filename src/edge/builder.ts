// Builds a layered image with podman, buildah or docker: finds what works on this machine, and gives an OCI layout (D7, D8, D10).

import { ToolError } from '../errors.ts'
import type { BuilderChoice } from '../settings/settings.ts'
import { expectRunnable } from './builder/architecture.ts'
import { cleanEnvironment, runCommand } from './builder/command.ts'
import { buildWithContainers } from './builder/containers-build.ts'
import { buildWithDocker } from './builder/docker-build.ts'
import { findDocker } from './builder/docker-server.ts'
import type { Builder, BuilderName, BuildRequest, BuildResult } from './builder/request.ts'

export type { OutputWriter } from './builder/command.ts'
export type { Builder, BuildRequest, BuildResult } from './builder/request.ts'

const automatic: readonly BuilderName[] = ['podman', 'buildah', 'docker']

/**
 * The builders that can be started, podman first and docker last. Throws BUILDER_NOT_FOUND when the choice leaves none, and
 * when this machine cannot run programs of the architecture: that shows before anything is downloaded.
 */
export async function findBuilders(
  choice: BuilderChoice,
  environment: Readonly<Record<string, string | undefined>>,
  architecture?: string,
): Promise<readonly Builder[]> {
  const names = choice === 'auto' ? automatic : [choice]
  const found: Builder[] = []
  const reasons: string[] = []
  for (const name of names) {
    const one = await findBuilder(name, environment, architecture)
    if (typeof one === 'object') found.push(one)
    else if (one !== undefined) reasons.push(one)
  }
  if (found.length === 0)
    throw new ToolError('BUILDER_NOT_FOUND', 'no container builder can be started', {
      wanted: names.join(' or '),
      ...(reasons.length === 0 ? {} : { found: reasons.join('; ') }),
    })
  return found
}

/** The builder; a text says why one that is installed cannot serve. */
async function findBuilder(
  name: BuilderName,
  environment: Readonly<Record<string, string | undefined>>,
  architecture: string | undefined,
): Promise<Builder | string | undefined> {
  if (name === 'docker') return await findDocker(environment)
  const result = await runCommand([name, '--version'], { environment: cleanEnvironment(environment) })
  if (result?.exitCode !== 0) return undefined
  if (architecture !== undefined) await expectRunnable(architecture)
  return { name, version: /\d+(?:\.\d+)+\S*/.exec(result.output)?.[0] ?? 'unknown' }
}

/**
 * Builds the image and writes it to `layoutDirectory`. Throws BUILD_FAILED with the last lines of the builder, BUILDER_NOT_FOUND when no
 * builder can run a command in the base image, IMAGE_NOT_FOUND when it cannot pull the base.
 */
export async function buildImage(request: BuildRequest): Promise<BuildResult> {
  let failure: unknown
  for (const builder of request.builders) {
    try {
      return await buildWith(builder, request)
    } catch (error) {
      if (!(error instanceof ToolError) || error.code !== 'BUILDER_NOT_FOUND') throw error
      failure = error
      request.write(Buffer.from(`${builder.name} is not used: ${error.message}: ${error.found ?? ''}\n`))
    }
  }
  throw failure ?? new ToolError('BUILDER_NOT_FOUND', 'no container builder is given')
}

async function buildWith({ name, version }: Builder, request: BuildRequest): Promise<BuildResult> {
  if (name === 'docker') return await buildWithDocker(version, request)
  return await buildWithContainers(name, version, request)
}
