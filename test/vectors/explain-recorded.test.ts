// Explanations of recorded boots against predictions from the real boot files of another boot.

import { describe, expect, it } from 'vitest'
import { explainLog } from '../../src/commands/explain.ts'
import { readLocalFile } from '../../src/edge/files.ts'
import { banks, digestInBanks, formatDigests } from '../../src/formats/bytes/digest.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import type { BootFile } from '../../src/image/boot-file.ts'
import { calibrate } from '../../src/predict/calibration.ts'
import { explain } from '../../src/predict/explain.ts'
import type { Candidate } from '../../src/predict/explain-candidates.ts'
import { explainTable } from '../../src/predict/explain-table.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import { parseShimBuild } from '../../src/predict/shim-build.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('explanations of recorded boots from real boot files')

const [kernelA, kernelB] = ['vmlinuz-6.1.0-50-amd64', 'vmlinuz-6.1.0-56-amd64']
const logOf = (boot: string) => parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
const pathsOf = (kernel: string) => [
  { role: 'shim' as const, path: shared.path('inputs', 'shimx64.efi') },
  { role: 'grub' as const, path: shared.path('inputs', 'grubx64.efi') },
  { role: 'kernel' as const, path: shared.path('inputs', kernel) },
]

async function candidates(label: string, kernel: string, secureBoot?: boolean): Promise<Candidate[]> {
  const files: BootFile[] = []
  for (const { role, path } of pathsOf(kernel))
    files.push({ role, path, layer: null, bytes: await readLocalFile(path, 64 * 1024 * 1024) })
  const { bootFiles, predictions } = predictImage({ files, secureBoot, banks })
  const shim = files[0]?.bytes ?? new Uint8Array(0)
  const vendorMokList = formatDigests(digestInBanks(parseShimBuild(parsePe(shim, 'shim')).mokList))
  return predictions.map(prediction => ({ label, image: label, bootFiles, vendorMokList, prediction }))
}

const reasonsOf = ({ document }: ReturnType<typeof explain>) =>
  document.pcrs.map(({ pcr, bank, firstDifference }) => `${pcr} ${bank} ${firstDifference?.reason.code ?? 'equal'}`)

const inBanks = (pcr: number, code: string) => banks.map(bank => `${pcr} ${bank} ${code}`)

describe.skipIf(shared.missing)('explain with real boot files', () => {
  it('the boot of these very files is equal, and calibrates the prediction', async () => {
    const [a] = await candidates('A', kernelA, true)
    const explanation = explain({ log: logOf('grub-sb'), candidates: a === undefined ? [] : [a], banks })
    expect(reasonsOf(explanation)).toEqual([...inBanks(4, 'equal'), ...inBanks(14, 'equal')])
    expect(a && calibrate(a.prediction, logOf('grub-sb')).calibration).toBe('matched')
    expect(a && calibrate(a.prediction, logOf('grub-sb-newkernel')).calibration).toBe('uncalibrated')
  })

  it('the new kernel is of no known image, or of one that is retired', async () => {
    const log = logOf('grub-sb-newkernel')
    const a = await candidates('A', kernelA, true)
    const alone = explain({ log, candidates: a, banks })
    expect(reasonsOf(alone)).toEqual([...inBanks(4, 'KERNEL_OF_NO_KNOWN_IMAGE'), ...inBanks(14, 'equal')])
    expect(alone.document.pcrs[0]?.firstDifference?.index).toBe(51)
    const b = (await candidates('B', kernelB, true)).map(one => ({ ...one, retired: true }))
    const known = explain({ log, candidates: [...b, ...a], banks })
    expect(reasonsOf(known)).toEqual([...inBanks(4, 'KERNEL_OF_OTHER_IMAGE'), ...inBanks(14, 'equal')])
    expect(known.document.pcrs[0]?.firstDifference?.reason.text).toContain(
      `kernel of B (${shared.path('inputs', kernelB)})`,
    )
  })

  it('an enrolled MOK', async () => {
    const explanation = explain({ log: logOf('grub-sb-mok'), candidates: await candidates('A', kernelA, true), banks })
    expect(reasonsOf(explanation)).toEqual([...inBanks(4, 'equal'), ...inBanks(14, 'MOK_ENROLLED')])
    expect(explainTable(explanation).split('\n')[0]).toMatch(/^PCR 14: a machine owner key \(MOK\) is enrolled/)
  })

  it('Secure Boot off, unless that was predicted too', async () => {
    const log = logOf('grub-nosb')
    const explanation = explain({ log, candidates: await candidates('A', kernelA, true), banks })
    expect(reasonsOf(explanation)).toEqual([...inBanks(4, 'SECURE_BOOT_OFF_HERE'), ...inBanks(14, 'equal')])
    const both = explain({ log, candidates: await candidates('A', kernelA), banks })
    expect(both.document.pcrs.every(one => one.equal)).toBe(true)
  })

  it.each(['uki-sb', 'uki-nosb', 'uki257-sb', 'sdboot257-uki-sb', 'shim-uki-sb-mok'])(
    'the boot %s of another chain is explained, too',
    async boot => {
      const { document } = explain({ log: logOf(boot), candidates: await candidates('A', kernelA, true), banks })
      const codes = new Set(document.pcrs.map(one => one.firstDifference?.reason.code))
      expect(codes).not.toContain('UNKNOWN')
      expect(document.pcrs.find(one => one.pcr === 4)?.equal).toBe(false)
    },
  )

  it('the command reads the same from files', async () => {
    const { document, differs } = await explainLog({
      architecture: 'amd64',
      platforms: [],
      secureBoot: true,
      banks,
      phase: 'none',
      bootChain: undefined,
      allowInsecure: false,
      mixes: { window: 'all', rollback: true, limit: 512 },
      source: { kind: 'boot-files', files: pathsOf(kernelA) },
      log: shared.path('boots', 'grub-sb-mok', 'eventlog.bin'),
      pcrs: shared.path('boots', 'grub-sb-mok', 'pcrs.json'),
    })
    expect(differs).toBe(true)
    expect(document.image).toBeNull()
    expect(document.pcrs.filter(one => one.firstDifference?.reason.code === 'MOK_ENROLLED')).toHaveLength(4)
  })
})
