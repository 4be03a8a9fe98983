// Data that others published: logs, PCR values and events of Fedora and RHEL CoreOS.

import { describe, expect, it } from 'vitest'
import { digestInBanks } from '../../src/formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../src/formats/bytes/hex.ts'
import { guids } from '../../src/formats/efi/guid.ts'
import { formatSignatureLists, parseSignatureLists } from '../../src/formats/efi/signature-list.ts'
import { formatVariableEvent } from '../../src/formats/efi/variable-event.ts'
import { extendAll, startValue } from '../../src/predict/extend.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'
import { blocksOfYaml, eventsOfYaml, field, pcrsOfYaml } from './tpm2-eventlog.ts'

sayWhatIsNotChecked('published logs and PCR values of Fedora and RHEL CoreOS')

const bytes = (hex: string) => parseHex(hex) ?? new Uint8Array(0)
const sha256 = (data: Uint8Array) => formatHex(digestInBanks(data).sha256)
const pcrAfter = (pcr: number, digests: readonly string[]) =>
  formatHex(extendAll('sha256', startValue('sha256', pcr), digests.map(bytes)))

describe.skipIf(shared.missing)('the published log of Fedora CoreOS 42', () => {
  const yaml = shared.missing ? '' : shared.text('public/investigations/fcos-42-qemu-eventlog.yaml')
  const events = eventsOfYaml(yaml).filter(({ type }) => type !== 'EV_NO_ACTION')
  const pcrs = pcrsOfYaml(yaml)

  it('replays to the eleven PCRs that it ends with', () => {
    expect(Object.keys(pcrs)).toHaveLength(11)
    const replayed = Object.keys(pcrs).map(pcr => [
      pcr,
      pcrAfter(
        Number(pcr),
        events.filter(event => event.pcr === Number(pcr)).map(event => event.sha256),
      ),
    ])
    expect(Object.fromEntries(replayed)).toEqual(pcrs)
  })

  it('has PCR 7 digests that follow from the data of the events', () => {
    const blocks = blocksOfYaml(yaml).filter(block =>
      /EventType: EV_EFI_VARIABLE_(DRIVER_CONFIG|AUTHORITY)$/m.test(block),
    )
    expect(blocks.length).toBeGreaterThanOrEqual(8)
    for (const block of blocks) {
      const data = formatVariableEvent({
        vendorGuid: field(block, 'VariableName'),
        name: field(block, 'UnicodeName'),
        data: variableData(block),
      })
      expect(sha256(data), field(block, 'UnicodeName')).toBe(block.match(/Digest: "([0-9a-f]{64})"/)?.[1])
    }
  })

  it('has PCR 14 digests that follow from the MOK variables of the same system', () => {
    const own = events.filter(event => event.pcr === 14).map(event => event.sha256)
    expect(own).toEqual(
      ['MokListRT', 'MokListXRT', 'MokListTrustedRT'].map(name =>
        sha256(shared.bytes('public/reference-values/mok-variables/fedora-42', name)),
      ),
    )
  })
})

/** tpm2_eventlog prints signature lists in parts where it knows them, other data as hex. */
function variableData(block: string): Uint8Array {
  const whole = block.match(/^ {4}VariableData: "([0-9a-f]*)"$/m)?.[1]
  if (whole !== undefined) return bytes(whole)
  const enabled = block.match(/^ *Enabled: '(Yes|No)'$/m)?.[1]
  if (enabled !== undefined) return Uint8Array.of(enabled === 'Yes' ? 1 : 0)
  throw new Error(
    `data of ${field(block, 'UnicodeName')} are printed in a way that is not known: ${block.slice(0, 400)}`,
  )
}

describe.skipIf(shared.missing)('PCR 4 seen on real machines with two boot loaders and two kernels', () => {
  const shim = '94896c17d49fc8c8df0cc2836611586edab1615ce7cb58cf13fc5798de56b367'
  const grubs = {
    A: 'bc6844fc7b59b4f0c7da70a307fc578465411d7a2c34b0f4dc2cc154c873b644',
    B: 'f45c2c974192366a5391e077c3cbf91e735e86eba2037fd86a1f1501818f73f4',
  }
  const kernels = {
    A: '72c613f1b4d60dcf51f82f3458cca246580d23150130ec6751ac6fa62c867364',
    B: 'f31e645e5e9ed131eea5dca0a18893a21e5625b4a56314fa39587ddc33a7fa91',
  }
  const calling = sha256(new Uint8Array(Buffer.from('Calling EFI Application from Boot Option', 'latin1')))
  const separator = sha256(new Uint8Array(4))

  it.each([
    ['A', 'A', 'ff2b357be4a4bc66be796d4e7b2f1f27077dc89b96220aae60b443bcf4672525'],
    ['A', 'B', '0c4e52c0bc5d2fedbf83b2fee82664dbe5347a79cfb2cbcb9a37f64211add6e8'],
    ['B', 'A', 'cc5a5360e64b25718be370ca2056645a9ba9e9bae33df08308d6b8e05b8ebb87'],
    ['B', 'B', '37517a1f76c4d5cf615f4690921c732ad31359aac55f3aaf66d65a8ed38655a9'],
  ] as const)('boot loader %s, kernel %s', (grub, kernel, value) => {
    expect(pcrAfter(4, [calling, separator, shim, grubs[grub], kernels[kernel]])).toBe(value)
  })
})

interface ExpectedPcr {
  readonly id: number
  readonly value: string
  readonly events: readonly { readonly name: string; readonly hash: string; readonly id: string }[]
}

const expectedFolder = 'public/compute-pcrs/qemu-ovmf/fedora-42'

describe.skipIf(shared.missing)('expected PCRs of compute-pcrs', () => {
  const systems = shared.names(expectedFolder)

  it('are those of three systems', () => expect(systems).toHaveLength(3))

  it.each(systems)('%s: every value follows from its events', system => {
    for (const name of shared.names(expectedFolder, system)) {
      const document: ExpectedPcr | { pcrs: ExpectedPcr[] } = JSON.parse(shared.text(expectedFolder, system, name))
      const pcrs = 'pcrs' in document ? document.pcrs : [document]
      for (const { id, value, events } of pcrs)
        expect(
          pcrAfter(
            id,
            events.map(event => event.hash),
          ),
          name,
        ).toBe(value)
    }
  })

  it.each([
    ['fedora-42.20250929.3.0', 'fedora-42'],
    ['fedora-44.20260111.91.1', 'fedora-44'],
    ['rhel-9.6.20250523-0', 'rhel-9.6'],
  ])('%s: PCR 14 follows from the published MOK variables', (system, variables) => {
    const { events }: ExpectedPcr = JSON.parse(shared.text(expectedFolder, system, 'pcr14.json'))
    const names = ['MokListRT', 'MokListXRT', 'MokListTrustedRT']
    expect(events.map(event => event.hash)).toEqual(
      names.map(name => sha256(shared.bytes('public/reference-values/mok-variables', variables, name))),
    )
  })
})

describe.skipIf(shared.missing)('published MOK variables', () => {
  it.each(shared.names('public/reference-values/mok-variables'))(
    '%s: written again, the lists are the same bytes',
    system => {
      for (const name of ['MokListRT', 'MokListXRT']) {
        const variable = shared.bytes('public/reference-values/mok-variables', system, name)
        const lists = parseSignatureLists(variable, name)
        expect(formatSignatureLists(lists)).toEqual(variable)
        const owners = new Set(lists.flatMap(list => list.signatures.map(signature => signature.owner)))
        expect(owners.has(guids.shimLock)).toBe(system !== 'rhel-9.6' || name === 'MokListXRT')
      }
    },
  )
})
