// The settings that name the base image, and the rules between them.

import type { ReadRequest } from './command-requests.ts'
import type { SettingsReader } from './reader.ts'
import type { BaseFrom, BaseSettings } from './settings.ts'
import {
  parseBoolean,
  parseClusterVersion,
  parseImageRepository,
  parseReference,
  parseStreamName,
  parseWord,
} from './values.ts'
import { baseFromWords } from './words.ts'

/** Settings without effect are refused, never ignored: which ones each way of naming the base reads. */
const readBy: Readonly<Record<string, readonly BaseFrom[]>> = {
  'base-image': ['reference', 'release', 'cluster'],
  'release-image': ['release'],
  'base-stream': ['release', 'cluster'],
}

/** base-image is required for reference, release-image for release; base-repositories is that of base-image where it is not given. */
export const readBaseSettings: ReadRequest<BaseSettings> = settings => {
  const baseFrom = settings.required('base-from', parseWord(baseFromWords))
  const from = baseFrom.valid ? baseFrom() : undefined
  const baseImage =
    from === 'reference'
      ? settings.required('base-image', parseReference)
      : settings.optional('base-image', parseReference)
  const releaseImage =
    from === 'release'
      ? settings.required('release-image', parseReference)
      : settings.optional('release-image', parseReference)
  const baseStream = settings.optional('base-stream', parseStreamName)
  const repositories = settings.list('base-repositories', parseImageRepository)
  const clusterVersion = settings.optional('cluster-version', parseClusterVersion)
  const inCluster = settings.required('in-cluster', parseBoolean)
  if (from !== undefined) {
    refuseIdle(settings, from)
    if ((from === 'release' || from === 'cluster') && !settings.has('base-repositories') && !settings.has('base-image'))
      settings.refuse('SETTING_MISSING', 'base-from', `base-repositories is required for base-from: ${from}`, {
        wanted: 'the repositories that base images may come from',
        hint: 'for OpenShift base-repositories: quay.io/openshift-release-dev/ocp-v4.0-art-dev',
      })
  }
  return () => {
    const image = baseImage()
    const given = repositories()
    const own = image === undefined ? undefined : [{ registry: image.registry, repository: image.repository }]
    return {
      baseFrom: baseFrom(),
      baseImage: image,
      releaseImage: releaseImage(),
      baseStream: baseStream(),
      baseRepositories: given.length > 0 ? given : own,
      clusterVersion: clusterVersion(),
      inCluster: inCluster(),
    }
  }
}

function refuseIdle(settings: SettingsReader, from: BaseFrom): void {
  for (const [name, readers] of Object.entries(readBy))
    if (settings.has(name) && !readers.includes(from))
      settings.refuse('SETTING_INVALID', name, `${name} has no effect with base-from: ${from}`, {
        wanted: `base-from: ${readers.join(' or ')}`,
        hint: `leave ${name} out, or change base-from`,
      })
  if (settings.says('in-cluster', 'true') && from !== 'cluster')
    settings.refuse('SETTING_INVALID', 'in-cluster', `in-cluster has no effect with base-from: ${from}`, {
      wanted: 'base-from: cluster',
    })
}
