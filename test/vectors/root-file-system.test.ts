// `predict --image dir:` on root file systems made of real boot files, against recorded boots: events first, then values.

import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readChain } from '../../src/commands/image-boot-files.ts'
import { registryOf } from '../../src/commands/open-image.ts'
import { environment } from '../../src/edge/surroundings.ts'
import { banks } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import type { BootChainWord } from '../../src/image/chain-files.ts'
import { parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('boot files found in a root file system, and what is predicted from them, against recorded boots')

const updates = 'usr/lib/bootupd/updates/EFI'
const modules = 'usr/lib/modules/6.1.0-50-amd64'
const shimAndGrub = { 'shimx64.efi': `${updates}/debian/shimx64.efi`, 'grubx64.efi': `${updates}/debian/grubx64.efi` }
const roots: readonly {
  boot: string
  files: Readonly<Record<string, string>>
  secureBoot: boolean
  chain: BootChainWord
  named?: BootChainWord
}[] = [
  {
    boot: 'grub-sb',
    files: { ...shimAndGrub, 'vmlinuz-6.1.0-50-amd64': `${modules}/vmlinuz` },
    secureBoot: true,
    chain: 'shim-grub-linux',
  },
  { boot: 'uki-sb', files: { 'uki-252-A.signed.efi': `${modules}/a.efi` }, secureBoot: true, chain: 'uki' },
  { boot: 'uki-nosb', files: { 'uki-252-A.signed.efi': 'boot/EFI/Linux/a.efi' }, secureBoot: false, chain: 'uki' },
  {
    boot: 'shim-uki-sb-mok',
    files: { ...shimAndGrub, 'uki-252-A.signed.efi': 'usr/lib/efi/uki/1/EFI/Linux/a.efi' },
    secureBoot: true,
    chain: 'shim-uki',
    named: 'shim-uki',
  },
  {
    boot: 'sdboot257-uki-sb',
    files: {
      'systemd-bootx64-trixie.signed.efi': `${updates}/BOOT/BOOTX64.EFI`,
      'uki-257-B.signed.efi': `${modules}/b.efi`,
    },
    secureBoot: true,
    chain: 'systemd-boot-uki',
  },
]

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'root-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function lay(files: Readonly<Record<string, string>>): Promise<void> {
  // a file of usr/lib/efi would hide those of bootupd/updates
  const efi = Object.values(files).some(path => path.startsWith('usr/lib/efi/'))
  for (const [input, path] of Object.entries(files)) {
    const to = join(directory, efi ? path.replace(updates, 'usr/lib/efi/loaders/1/EFI') : path)
    await mkdir(dirname(to), { recursive: true })
    await copyFile(shared.path('inputs', input), to)
  }
}

describe.skipIf(shared.missing)('a root file system with real boot files', () => {
  it.each(roots)('$boot: PCR 4 and 11', async ({ boot, files, secureBoot, chain, named }) => {
    await lay(files)
    const location = { kind: 'root-file-system', directory } as const
    const image = await readChain(location, await registryOf(environment(), { allowInsecure: false }), 'amd64', named)
    const { predictions } = predictImage({ files: image.files, secureBoot, banks, phase: 'none' })
    const [prediction] = predictions
    expect(prediction?.bootChain).toBe(chain)
    const log = parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
    const hex = (bytes: Uint8Array | undefined) => formatHex(bytes ?? new Uint8Array(0))
    const recorded = log.events
      .filter(({ pcr }) => pcr === 4 || pcr === 11)
      .map(({ pcr, type, digests }) => ({ pcr, type, sha384: hex(digests.sha384) }))
    const predicted = prediction?.events
      .filter(({ pcr }) => pcr === 4 || pcr === 11)
      .map(({ pcr, type, digests }) => ({ pcr, type, sha384: digests.sha384 }))
    expect(predicted).toEqual(recorded)
    const pcrs = parsePcrs(shared.text('boots', boot, 'pcrs.json'), 'pcrs.json')
    expect(prediction?.pcrs['4']).toEqual(pcrs['4'])
    if (chain !== 'shim-grub-linux') expect(prediction?.pcrs['11']).toEqual(pcrs['11'])
  })
})
