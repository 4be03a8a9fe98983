// The settings of update and check: which are read, by which type, and the rules between them.

import { readBaseSettings } from './base-requests.ts'
import type { SettingsReader } from './reader.ts'
import type { CacheSettings, CheckSettings, Settings } from './settings.ts'
import {
  parseBoolean,
  parseBranch,
  parseClusterId,
  parseDays,
  parseDirectory,
  parseDist,
  parseDnsLabel,
  parseGitHubRepository,
  parseImageRepository,
  parseKernelRepository,
  parseKernelVersion,
  parseMachineConfigName,
  parsePackageName,
  parsePath,
  parseRpmKey,
  parseSecureBoot,
  parseTemplate,
  parseWholeImageLocation,
  parseWord,
  splitRpmKeys,
} from './values.ts'
import {
  architectureWords,
  bankWords,
  bootChainWords,
  builderWords,
  coverageWords,
  gitopsRemoteWords,
  layoutWords,
  pcrLabelWords,
  rolloutWords,
  targetWords,
  writtenTrusteeShapeWords,
} from './words.ts'

/** Reads and judges everything, then gives a function that makes the request; it may be called when no problem was found. */
export type ReadRequest<T> = (settings: SettingsReader) => () => T

export const readCache: ReadRequest<CacheSettings> = settings => {
  const cache = settings.required('cache', parseBoolean)
  const cacheDirectory = settings.optional('cache-directory', parsePath)
  return () => ({ cache: cache(), cacheDirectory: cacheDirectory() })
}

export const readCheck: ReadRequest<CheckSettings> = settings => {
  const architecture = settings.required('architecture', parseWord(architectureWords))
  const directory = settings.required('directory', parseDirectory)
  const gitopsRepository = settings.optional('gitops-repository', parseGitHubRepository)
  const baseBranch = settings.optional('base-branch', parseBranch)
  const valueLifetime = settings.required('value-lifetime', parseDays)
  const pools = settings.requiredList('pools', parseDnsLabel)
  const base = readBaseSettings(settings)
  const kernelVersion = settings.required('kernel-version', parseKernelVersion)
  const kernelRepositories = settings.requiredList('kernel-repositories', parseKernelRepository)
  const kernelRepositoryCa = settings.optional('kernel-repository-ca', parsePath)
  const repositoryMaxAge = settings.required('repository-max-age', parseDays)
  const dist = settings.optional('dist', parseDist)
  const extraPackages = settings.list('extra-packages', parsePackageName)
  const allowDowngrade = settings.required('allow-downgrade', parseBoolean)
  const allowInsecure = settings.required('allow-insecure', parseBoolean)
  const registriesConf = settings.optional('registries-conf', parsePath)
  const caBundle = settings.optional('ca-bundle', parsePath)
  const allowUnsignedPackages = settings.required('allow-unsigned-packages', parseBoolean)
  const cached = readCache(settings)
  settings.required('gitops-remote', parseWord(gitopsRemoteWords))

  if (kernelRepositories.valid && allowInsecure.valid && !allowInsecure()) {
    const plain = kernelRepositories().find(text => /^(?:[a-z]+=)?http:/.test(text))
    if (plain !== undefined)
      settings.refuse(
        'INSECURE_NOT_ALLOWED',
        'kernel-repositories',
        'kernel-repositories: a repository is plain http',
        {
          found: plain,
          wanted: 'https, or allow-insecure: true',
        },
      )
  }

  return () => ({
    architecture: architecture(),
    directory: directory(),
    gitopsRepository: gitopsRepository(),
    baseBranch: baseBranch(),
    valueLifetime: valueLifetime(),
    pools: pools(),
    ...base(),
    kernelVersion: kernelVersion(),
    kernelRepositories: kernelRepositories(),
    kernelRepositoryCa: kernelRepositoryCa(),
    repositoryMaxAge: repositoryMaxAge(),
    dist: dist(),
    extraPackages: extraPackages(),
    allowDowngrade: allowDowngrade(),
    allowInsecure: allowInsecure(),
    registriesConf: registriesConf(),
    caBundle: caBundle(),
    allowUnsignedPackages: allowUnsignedPackages(),
    ...cached(),
  })
}

export const readUpdate: ReadRequest<Settings> = settings => {
  const check = readCheck(settings)
  const clusterId = settings.optional('cluster-id', parseClusterId)
  const dryRun = settings.required('dry-run', parseBoolean)
  const rpmKeys = settings.list('rpm-keys', parseRpmKey, splitRpmKeys)
  const layout = settings.required('layout', parseWord(layoutWords))
  const target = settings.requiredList('target', parseWord(targetWords))
  const trusteeShape = settings.optional('trustee-shape', parseWord(writtenTrusteeShapeWords))
  const namespace = settings.required('namespace', parseDnsLabel)
  const machineConfigName = settings.required('machine-config-name', parseMachineConfigName)
  const builder = settings.required('builder', parseWord(builderWords))
  const imageRepository = settings.required('image-repository', parseImageRepository)
  const imageTag = settings.required('image-tag', parseTemplate(['kernel', 'base-short', 'change']))
  const image = settings.atMostOne('image', parseWholeImageLocation)
  const containerfile = settings.optional('containerfile', parsePath)
  const bootChain = settings.optional('boot-chain', parseWord(bootChainWords))
  const requireCoverage = settings.list('require-coverage', parseWord(coverageWords))
  const secureBoot = settings.optional('secure-boot', parseSecureBoot)
  const banks = settings.requiredList('bank', parseWord(bankWords))
  const pcrLabel = settings.required('pcr-label', parseWord(pcrLabelWords))
  settings.optional('rollout', parseWord(rolloutWords))

  if (!settings.has('gitops-repository'))
    settings.refuse('SETTING_MISSING', 'gitops-repository', 'gitops-repository is required', {
      wanted: 'owner/name',
      hint: 'inside a workflow it is the workflow’s own repository by default',
    })
  if (!settings.has('rollout'))
    settings.refuse('SETTING_NOT_SUPPORTED', 'rollout', 'rollout must be given in this version', {
      wanted: 'one-pr',
      hint:
        'without a gate the default is two-step, which is not supported yet; ' +
        'with one-pr nothing but you orders the values before the image',
    })
  if (settings.has('image') && settings.has('containerfile'))
    settings.refuse('SETTING_INVALID', 'containerfile', 'containerfile and image are both given', {
      wanted: 'one of them: image is proposed as it is, containerfile is built',
    })
  if (target.valid && target().includes('trustee') && !settings.has('trustee-shape'))
    settings.refuse('SETTING_MISSING', 'target', 'trustee-shape is required for target trustee', {
      wanted: writtenTrusteeShapeWords.now.join(', '),
    })
  if (!settings.has('rpm-keys') && !settings.says('allow-unsigned-packages', 'true'))
    settings.refuse('SETTING_MISSING', 'rpm-keys', 'rpm-keys is required', {
      wanted: 'the keys that sign your packages, each as PATH#FINGERPRINT',
      hint: 'allow-unsigned-packages: true does without, and the pull request says so; see docs/packages.md',
    })

  return () => ({
    ...check(),
    clusterId: clusterId(),
    dryRun: dryRun(),
    rpmKeys: rpmKeys(),
    layout: layout(),
    target: target(),
    trusteeShape: trusteeShape(),
    namespace: namespace(),
    machineConfigName: machineConfigName(),
    builder: builder(),
    imageRepository: imageRepository(),
    imageTag: imageTag(),
    image: image(),
    containerfile: containerfile(),
    bootChain: bootChain(),
    requireCoverage: requireCoverage(),
    secureBoot: secureBoot(),
    banks: banks(),
    pcrLabel: pcrLabel(),
  })
}
