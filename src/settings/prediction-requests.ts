// The settings of the commands that read and predict: predict, explain, boot-files, replay, capture.

import { type ReadRequest, readCache } from './command-requests.ts'
import type { SettingsReader } from './reader.ts'
import type {
  BootFileSource,
  BootFilesOptions,
  CaptureOptions,
  ExplainOptions,
  PredictionRequest,
  PredictOptions,
  RegistrySettings,
  ReplayOptions,
} from './settings.ts'
import {
  parseBoolean,
  parseBootFilePath,
  parseDays,
  parseImageLocation,
  parseMixLimit,
  parseMixWindow,
  parsePath,
  parsePlatformSource,
  parseSecureBoot,
  parseWord,
} from './values.ts'
import {
  bankWords,
  bootChainWords,
  formatWords,
  phaseWords,
  readArchitectureWords,
  trusteeShapeWords,
} from './words.ts'

export const readPredict: ReadRequest<PredictOptions> = settings => {
  const source = readSource(settings, ['image', 'boot-file'])
  const conditions = readConditions(settings)
  const withMixes = settings.optional('mixes', parseBoolean)
  const window = settings.required('mix-window', parseMixWindow)
  const rollback = settings.required('mix-rollback', parseBoolean)
  const limit = settings.required('mix-limit', parseMixLimit)
  const asOperator = settings.optional('as-operator', parseBoolean)
  const substitute = settings.optional('substitute', parsePath)
  const format = settings.required('format', parseWord(formatWords))
  const trusteeShape = settings.optional('trustee-shape', parseWord(trusteeShapeWords))
  const valueLifetime = settings.required('value-lifetime', parseDays)
  const trustToc = settings.required('trust-toc', parseBoolean)

  if (settings.says('mixes', 'true') && !settings.has('image'))
    settings.refuse('USAGE', 'mixes', 'mixes needs images', { wanted: '--image OLD --image NEW --mixes' })
  const operator = settings.says('as-operator', 'true')
  if (operator && !settings.has('image'))
    settings.refuse('USAGE', 'as-operator', 'as-operator needs images', { wanted: '--image OLD --image NEW' })
  if (operator)
    refuseBeside(settings, 'as-operator', ['mixes', 'substitute', 'platform', 'secure-boot', 'bank', 'phase'])
  if (settings.says('mixes', 'true') && !operator) refuseBeside(settings, 'mixes', ['substitute'])
  if (!settings.says('mixes', 'true')) refuseWithout(settings, 'mixes', ['mix-window', 'mix-rollback', 'mix-limit'])
  if (format.valid && format() !== 'trustee') refuseWithout(settings, 'format trustee', ['trustee-shape'])
  if (format.valid && format() !== 'table' && format() !== 'json') {
    const word = `format ${format()}`
    if (operator) refuseBeside(settings, word, ['as-operator'])
    refuseBeside(settings, word, ['substitute', ...(format() === 'trustee' ? [] : ['mixes'])])
    // other forms cannot say what they rest on
    if (settings.says('trust-toc', 'true')) refuseBeside(settings, word, ['trust-toc'])
  }
  if (operator && settings.says('trust-toc', 'true')) refuseBeside(settings, 'as-operator', ['trust-toc'])

  return () => ({
    ...conditions(),
    source: source(),
    withMixes: withMixes() ?? false,
    mixes: { window: window(), rollback: rollback(), limit: limit() },
    asOperator: asOperator() ?? false,
    substitute: substitute(),
    format: format(),
    trusteeShape: trusteeShape(),
    valueLifetime: valueLifetime(),
    trustToc: trustToc(),
  })
}

export const readExplain: ReadRequest<ExplainOptions> = settings => {
  const lock = settings.optional('lock', parsePath)
  const source = readSource(settings, ['image', 'boot-file', 'lock'])
  const conditions = readConditions(settings)
  const log = settings.required('log', parsePath)
  const pcrs = settings.optional('pcrs', parsePath)
  return () => {
    const directory = lock()
    return {
      ...conditions(),
      source: directory === undefined ? source() : { kind: 'records', directory },
      log: log(),
      pcrs: pcrs(),
    }
  }
}

/** Images or boot files; exactly one of `sources` has to be given. */
function readSource(settings: SettingsReader, sources: readonly string[]): () => BootFileSource {
  const images = settings.list('image', parseImageLocation)
  const files = settings.list('boot-file', parseBootFilePath)

  const given = sources.filter(name => settings.has(name))
  if (given.length !== 1)
    settings.refuse('USAGE', given[1] ?? 'image', `one of ${sources.map(name => `--${name}`).join(', ')} is needed`, {
      found: given.length === 0 ? 'none' : given.map(name => `--${name}`).join(', '),
      wanted: '--image SOURCE, or --boot-file ROLE=PATH for each boot file',
    })
  if (files.valid) {
    const roles = files().map(file => file.role)
    const twice = roles.find((role, index) => roles.indexOf(role) !== index)
    if (twice !== undefined)
      settings.refuse('SETTING_INVALID', 'boot-file', 'boot-file: a role is given twice', { found: twice })
  }

  return () => (settings.has('image') ? { kind: 'images', images: images() } : { kind: 'boot-files', files: files() })
}

function readConditions(settings: SettingsReader): () => PredictionRequest {
  const architecture = settings.required('architecture', parseWord(readArchitectureWords))
  const platforms = settings.list('platform', parsePlatformSource)
  const secureBoot = settings.optional('secure-boot', parseSecureBoot)
  const banks = settings.requiredList('bank', parseWord(bankWords))
  const phase = settings.required('phase', parseWord(phaseWords))
  const bootChain = settings.optional('boot-chain', parseWord(bootChainWords))
  if (settings.has('boot-file')) refuseBeside(settings, 'boot-file', ['boot-chain'])
  const registries = readRegistrySettings(settings)

  const cached = readCache(settings)

  return () => ({
    ...cached(),
    architecture: architecture(),
    platforms: platforms(),
    secureBoot: secureBoot(),
    banks: banks(),
    phase: phase(),
    bootChain: bootChain(),
    ...registries(),
  })
}

function readRegistrySettings(settings: SettingsReader): () => RegistrySettings {
  const allowInsecure = settings.required('allow-insecure', parseBoolean)
  const registriesConf = settings.optional('registries-conf', parsePath)
  const caBundle = settings.optional('ca-bundle', parsePath)
  return () => ({ allowInsecure: allowInsecure(), registriesConf: registriesConf(), caBundle: caBundle() })
}

export const readBootFiles: ReadRequest<BootFilesOptions> = settings => {
  const architecture = settings.required('architecture', parseWord(readArchitectureWords))
  if (!settings.has('image')) settings.required('image', parseImageLocation)
  const image = settings.atMostOne('image', parseImageLocation)
  const registries = readRegistrySettings(settings)
  const extract = settings.optional('extract', parsePath)
  const trustToc = settings.required('trust-toc', parseBoolean)
  const cached = readCache(settings)
  return () => {
    const location = image()
    if (location === undefined) throw new Error('a missing image must have left a problem')
    return {
      architecture: architecture(),
      image: location,
      ...registries(),
      extract: extract(),
      trustToc: trustToc(),
      ...cached(),
    }
  }
}

export const readReplay: ReadRequest<ReplayOptions> = settings => {
  const log = settings.required('LOG', parsePath)
  const banks = settings.requiredList('bank', parseWord(bankWords))
  const pcrs = settings.optional('pcrs', parsePath)
  return () => ({ log: log(), banks: banks(), pcrs: pcrs() })
}

export const readCapture: ReadRequest<CaptureOptions> = settings => {
  const log = settings.required('log', parsePath)
  const efivars = settings.required('efivars', parsePath)
  const mokVariables = settings.optional('mok-variables', parsePath)
  const output = settings.required('output', parsePath)
  return () => ({ log: log(), efivars: efivars(), mokVariables: mokVariables(), output: output() })
}

/** Options that would have no effect; a settings file may hold them for other commands. */
function refuseBeside(settings: SettingsReader, other: string, names: readonly string[]): void {
  for (const name of names.filter(one => settings.isOption(one)))
    settings.refuse('USAGE', name, `${name} has no effect beside ${other}`, { hint: 'leave one of them out' })
}

function refuseWithout(settings: SettingsReader, other: string, names: readonly string[]): void {
  for (const name of names.filter(one => settings.isOption(one)))
    settings.refuse('USAGE', name, `${name} has no effect without ${other}`, { hint: `add --${other}` })
}
