// The text of the pull request: computed from predictions, complete, and safe to show.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RunFacts } from '../../src/propose/caveats.ts'
import { changeKeyOf } from '../../src/propose/commit-message.ts'
import { renderMachineConfig } from '../../src/propose/machine-config.ts'
import { cell, code, fence } from '../../src/propose/markdown.ts'
import { pullRequestText } from '../../src/propose/pull-request.ts'
import type { ImageRecord } from '../../src/propose/record-schema.ts'
import { proposeChange } from '../../src/propose/repository-change.ts'
import type { Settings } from '../../src/settings/settings.ts'
import {
  applyChange,
  digestOfSeed,
  hexOf,
  imageOf,
  makeBaseRecord,
  makePrediction,
  makeRecord,
  makeSettings,
} from '../build/proposal.ts'

const run: RunFacts = {
  changeKey: hexOf('key'),
  downgraded: false,
  insecureSources: [],
  size: [],
  checksWaitForApproval: false,
}
const first = makeRecord('first')
const adopted = applyChange(new Map(), proposeChange(makeSettings(), new Map(), first, [makeBaseRecord()]).files)

function textOf(record: ImageRecord, settings: Settings = makeSettings(), facts = run) {
  return pullRequestText(settings, proposeChange(settings, adopted, record, []), record, facts)
}

describe('pullRequestText', () => {
  it('a kernel update: headline, values old and new, and the file that causes the change', () => {
    const { title, body, commitMessage, draft } = textOf(makeRecord('second'))
    expect(title).toBe(
      'Kernel 5.14.0-500.el9.x86_64 → 5.14.0-600.el9.x86_64 (worker): PCR 4 changes, kernel attested, uncalibrated',
    )
    expect(body).toMatch(
      /^PCR 4 gets new values\. The kernel is attested by PCR 4\.\n\nSecure Boot assumed on\.\n\n\*\*Uncalibrated\*\*/,
    )
    expect(body).toContain(
      `| any, Secure Boot on | 4 | \`${hexOf('pcr 4 loaders first')}\` | \`${hexOf('pcr 4 loaders second')}\` |`,
    )
    expect(body).toContain(`| any, Secure Boot on | 14 | \`${hexOf('pcr 14 loaders')}\` | the same |`)
    expect(body).toContain(
      `- PCR 4, \`Pcr4Vmlinuz\`: \`vmlinuz, loaded by GRUB through shim\` (\`${hexOf('kernel first').slice(0, 16)}…\` → \`${hexOf('kernel second').slice(0, 16)}…\`)`,
    )
    expect(body.match(/^- PCR \d+, `/gm)).toHaveLength(1)
    expect(body).toContain(`\nnode dist/cli.js predict --image docker://${imageOf('second')} --secure-boot on\n`)
    expect(body).toContain('In a checkout of attested-os-update, version `0.1.0`, this reads')
    expect(body).toContain(`\`kernel-core-5.14.0-600.el9.x86_64\` | **nobody** | sha256 \`${hexOf('rpm second')}\``)
    expect(body).toContain('Shim and GRUB of this image are byte for byte those of the image until now')
    expect(changeKeyOf(commitMessage)).toBe(run.changeKey)
    expect(draft).toBe(true)
    expect(body).toContain('as a draft where the repository allows drafts')
  })

  it('has every section, in order', () => {
    expect(textOf(makeRecord('second')).body.match(/^## .*/gm)).toEqual([
      '## What changes',
      '## PCR values',
      '## Coverage',
      '## Packages',
      '## Check it yourself',
      '## When this is merged',
      '## Not checked or not done',
    ])
  })

  it('a kernel that no PCR covers is said three times, and is never a success', () => {
    const [prediction] = makeRecord('second').predictions
    if (prediction === undefined) throw new Error('no prediction')
    const off = {
      ...prediction,
      secureBoot: false,
      coverage: { ...prediction.coverage, kernel: { pcr: null, because: 'GRUB measures no kernel' } },
    }
    const { title, body } = textOf(makeRecord('second', { predictions: [off] }), makeSettings({ secureBoot: false }))
    expect(title).toContain('kernel NOT attested')
    expect(body).toContain('**The kernel is not attested: no checked PCR depends on it.**')
    expect(body).toContain('| kernel | **not attested**: `GRUB measures no kernel` |')
    expect(body).not.toContain('Secure Boot assumed on')
    expect(body).toContain('--secure-boot off')
  })

  it('calibrated: no draft, no word of it', () => {
    const predictions = [{ ...makePrediction('loaders', 'second'), calibration: 'matched' as const }]
    const { title, body, draft } = textOf(makeRecord('second', { predictions }))
    expect(draft).toBe(false)
    expect(`${title}${body}`).not.toMatch(/uncalibrated/i)
  })

  it('other boot loaders: the mixes are a warning', () => {
    const bootFiles = makeRecord('second').bootFiles.map(file =>
      file.role === 'grub' ? { ...file, sha256: hexOf('x') } : file,
    )
    const { body, title } = textOf(makeRecord('second', { bootFiles, predictions: [makePrediction('new', 'second')] }))
    expect(body).toContain('a node with such a mix may not attest')
    expect(title).toContain('PCR 4, 14 change,')
  })

  it('names each rule that was relaxed, and only those', () => {
    const quiet = textOf(makeRecord('second'), makeSettings({ allowUnsignedPackages: false })).body
    const settings = makeSettings({ allowInsecure: true, allowDowngrade: true })
    const build = {
      ...first.build,
      containerfileSha256: hexOf('c'),
      builder: 'buildah',
      isolation: 'chroot',
      network: 'host',
      runUrl: null,
    }
    const loud = textOf(makeRecord('second', { build }), settings, {
      ...run,
      downgraded: true,
      insecureSources: ['http://mirror.example.com'],
    }).body
    for (const text of [
      'No package has a signature by a pinned key (`allow-unsigned-packages: true`)',
      '`allow-insecure: true`: plain http was allowed, and used for `http://mirror.example.com`',
      '`allow-downgrade: true`: **the kernel is older',
      'The build was not cut off from the network',
    ]) {
      expect(loud).toContain(text)
      expect(quiet).not.toContain(text)
    }
    const [one] = makeRecord('second').kernel.packages
    if (one === undefined) throw new Error('no package')
    const half = { release: 'r', packages: [one, { ...one, name: 'kernel', signer: 'AB'.repeat(20) }] }
    const partly = textOf(makeRecord('second', { kernel: half })).body
    expect(partly).toContain('1 of 2 packages have no signature by a pinned key')
    expect(partly).toContain(`| \`${'AB'.repeat(20)}\` |`)
    const whole = { release: 'r', packages: half.packages.slice(1) }
    expect(textOf(makeRecord('second', { kernel: whole })).body).toContain('packages without a signature were allowed')
    const labelled = textOf(makeRecord('second', { pcrLabel: true }), settings, run).body
    expect(labelled).toContain('nobody computes them a second time')
    expect(labelled).not.toContain('The image has no label')
    for (const text of [
      '`rollout: one-pr`',
      'There is no gate Job in this version',
      'The image has no label `org.coreos.pcrs`',
      'PCR 7 was not predicted',
      'Mixes were not computed',
      'Boot images are not known',
    ])
      expect(quiet).toContain(text)
  })

  it.each(['registry.example.com/team/x:latest', `registry.example.com/team/x@${digestOfSeed('index')}`])(
    'a MachineConfig that named %s until now: compared with the image that it means',
    named => {
      const files = new Map([['clusters/one/m.yaml', renderMachineConfig('m', 'worker', named)]])
      const others = [makeBaseRecord(), makeRecord('the image of it', { kind: 'foreign', base: null })]
      const resolved = new Map([[named, digestOfSeed('the image of it')]])
      const change = proposeChange(makeSettings(), files, first, others, resolved)
      const { title, body } = pullRequestText(makeSettings(), change, first, run)
      expect(title).toContain('Kernel 5.14.0-1500.el9.x86_64 → ')
      expect(body).toContain(`until now \`${named}\``)
      expect(body).toContain(`Compared with \`${imageOf('the image of it')}\``)
      expect(body).not.toContain('is not known here')
      expect(body).toContain('byte for byte those of the image until now')
    },
  )

  it('a pool without an image of its own until now: compared with the base, and nothing promised', () => {
    const change = proposeChange(makeSettings(), new Map(), first, [makeBaseRecord()])
    const { body } = pullRequestText(makeSettings(), change, first, run)
    expect(body).toContain('What the nodes of pool `worker` run now is not known here: no MachineConfig names')
    expect(body).not.toContain('byte for byte')
    expect(body).toContain('**a node with such a mix may not attest.**')
  })

  it('an image that was given: says that nobody here built it, and nothing of a build', () => {
    const given = textOf(makeRecord('second', { build: null })).body
    expect(given).toContain('Not built by this tool: the image was given with the setting `image`')
    expect(given).not.toMatch(/Built with|cut off from the network/)
    expect(textOf(makeRecord('second')).body).not.toContain('Not built by this tool')
  })

  it('says that checks wait when GITHUB_TOKEN opened it', () => {
    const { body } = textOf(makeRecord('second'), makeSettings(), { ...run, checksWaitForApproval: true })
    expect(body).toContain('opened with `GITHUB_TOKEN`')
    expect(textOf(makeRecord('second')).body).not.toContain('GITHUB_TOKEN')
  })

  it('first adoption without an image before: compares with the base', () => {
    const change = proposeChange(makeSettings(), new Map(), first, [makeBaseRecord()])
    const { title } = pullRequestText(makeSettings(), change, first, run)
    expect(title).toContain('Kernel 5.14.0-100.el9.x86_64 → 5.14.0-500.el9.x86_64 (worker): PCR 4 changes')
    const alone = proposeChange(makeSettings(), new Map(), first, [])
    expect(pullRequestText(makeSettings(), alone, first, run).body).toContain('These are the first values')
  })

  it('outside text never leaves its code span', () => {
    const evil = 'x` <img src=a> @team ](http://e) | `` \u202e\n# head'
    const [prediction] = makeRecord('second').predictions
    if (prediction === undefined) throw new Error('no prediction')
    const predictions = [
      { ...prediction, notes: [evil], events: prediction.events.map(one => ({ ...one, because: evil, part: evil })) },
    ]
    const kernel = { release: evil, packages: [{ ...first.kernel.packages[0], name: evil, location: evil }] }
    const { title, body } = textOf(makeRecord('second', { predictions, kernel: kernel as ImageRecord['kernel'] }))
    expect(withoutCode(body)).not.toMatch(/<img|@team|http:\/\/e|# head|\u202e/)
    expect(title).toMatch(/^[\w .→():,~+^-]+$/)
  })

  it('stays below the ceiling whatever there is, at section borders', () => {
    const [one] = first.kernel.packages
    if (one === undefined) throw new Error('no package')
    const packages = Array.from({ length: 900 }, (_, index) => ({ ...one, name: `kernel-${index}` }))
    const { body } = textOf(makeRecord('second', { kernel: { release: 'x', packages } }))
    expect(body.length).toBeLessThanOrEqual(58_000)
    expect(body).toContain('## Packages\n\nLeft out: the text would be too long.')
    expect(body).toContain('## PCR values\n\nCompared with')
    expect(body).toContain('Mixes were not computed')
  })
})

/** The text with code spans and fences taken out, as CommonMark §6.1 and §4.5 find them. */
function withoutCode(markdown: string): string {
  return markdown.replace(/^(`{3,})\n[\s\S]*?\n\1$/gm, '').replace(/(?<!`)(`+)(?!`)([\s\S]*?[^`])\1(?!`)/g, '')
}

describe('code spans', () => {
  it.each([
    ['plain', '`plain`'],
    ['a`b', '``a`b``'],
    ['`a', '`` `a ``'],
    ['a``b`c', '```a``b`c```'],
    ['\n \t', '(empty)'],
    ['a\u202eb\u0000c', '`a b c`'],
  ])('%j', (text, shown) => {
    expect(code(text)).toBe(shown)
  })

  it('hold any text', () => {
    const text = fc.string({ unit: fc.constantFrom('`', '|', 'a', '\n', '\\', '<', '\u202e', '😀'), maxLength: 40 })
    fc.assert(
      fc.property(text, one => {
        expect(withoutCode(code(one))).toMatch(/^(?:\(empty\))?$/)
        expect(cell(one)).not.toMatch(/\n|(?<!\\)\|/)
        expect(withoutCode(fence(one.split('\n')))).toBe('')
      }),
    )
  })

  it('cut long text, never a pair', () => {
    expect(code('x'.repeat(500)).length).toBe(202)
    expect(code(`${'x'.repeat(198)}😀😀`)).toBe(`\`${'x'.repeat(198)}…\``)
  })
})
