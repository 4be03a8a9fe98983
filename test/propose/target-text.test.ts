// What the pull request says for each target: nothing of an operator or of Trustee where there is none.

import { describe, expect, it } from 'vitest'
import { pullRequestText } from '../../src/propose/pull-request.ts'
import { proposeChange } from '../../src/propose/repository-change.ts'
import type { Settings } from '../../src/settings/settings.ts'
import { hexOf, makeBaseRecord, makeRecord, makeSettings } from '../build/proposal.ts'

function textFor(target: Settings['target'], more: Partial<Settings> = {}) {
  const settings = makeSettings({ target, trusteeShape: 'list', ...more })
  const record = makeRecord('new')
  const change = proposeChange(settings, new Map(), record, [makeBaseRecord()])
  return pullRequestText(settings, change, record, {
    changeKey: hexOf('k'),
    downgraded: false,
    insecureSources: [],
    size: [],
  })
}

const operator = textFor(['trusted-execution-clusters'])
const trustee = textFor(['trustee'])
const both = textFor(['trusted-execution-clusters', 'trustee'])

describe('the operator', () => {
  it.each([
    'the operator computes the values for itself',
    'MOK variables that it holds for the image’s `<os id>-<version>`',
  ])('%s', text => {
    expect(operator.body).toContain(text)
    expect(both.body).toContain(text)
    expect(trustee.body).not.toContain(text)
  })
})

describe('Trustee', () => {
  it('attests the kernel only by a policy that compares the values: title, headline and coverage say so', () => {
    expect(trustee.title).toContain(', kernel in PCR 4,')
    expect(`${trustee.title}${trustee.body}`).not.toMatch(/kernel (?:is )?attested/i)
    expect(
      trustee.body.match(/policy compares `tpm_pcr4` and `tpm_pcr14`: \*\*its stock policy reads `tpm_pcr11`/g),
    ).toHaveLength(2)
    expect(operator.title).toContain(', kernel attested,')
    expect(operator.body).not.toContain('tpm_pcr')
    expect(both.title).toContain(', kernel attested,')
    expect(both.body.slice(both.body.indexOf('## Coverage'))).toContain('its stock policy reads')
  })

  it('forgets its values on a day that is named', () => {
    expect(trustee.body).toContain('All values for Trustee **expire on 2027-11-21** (`value-lifetime`: 365 days)')
    expect(textFor(['trustee'], { valueLifetime: 1 }).body).toContain('**expire on 2026-11-22**')
    expect(both.body).toContain('**expire on 2027-11-21**')
    expect(operator.body).not.toContain('expire')
  })
})
