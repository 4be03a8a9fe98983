// Inputs as the runner sets them.

import { describe, expect, it } from 'vitest'
import { parseActionInputs } from '../../src/settings/action-inputs.ts'

describe('parseActionInputs', () => {
  it('takes what is there, leaves out what is empty, and keeps secrets apart', () => {
    const read = parseActionInputs({
      'INPUT_KERNEL-VERSION': ' latest ',
      'INPUT_DRY-RUN': '',
      'INPUT_GITHUB-TOKEN': 'ghs_x',
      'INPUT_GITOPS-TOKEN': 'ghp_y',
      GITHUB_TOKEN: 'ghs_z',
      PATH: '/bin',
    })
    expect(read.command).toBe('update')
    expect(read.givens.map(given => [given.name, given.texts])).toEqual([
      ['kernel-version', ['latest']],
      ['gitops-token', []],
    ])
    expect(read.secrets).toEqual(
      new Map([
        ['github-token', 'ghs_x'],
        ['gitops-token', 'ghp_y'],
      ]),
    )
    expect(read.problems).toEqual([])
  })

  it('refuses names that do not exist or are no inputs', () => {
    const { command, problems } = parseActionInputs({
      INPUT_COMMAND: 'check',
      INPUT_KERNEL_VERSION: 'latest',
      'INPUT_BOOT-FILE': 'shim=a',
      INPUT_QUIET: 'true',
      INPUT_CEILINGS: '{}',
    })
    expect(command).toBe('check')
    expect(problems.map(error => [error.code, error.message, error.hint])).toEqual([
      ['SETTING_UNKNOWN', 'no setting is called kernel_version', 'did you mean kernel-version?'],
      ['SETTING_UNKNOWN', 'no setting is called boot-file', 'see docs/inputs.md for all names'],
      ['SETTING_INVALID', 'quiet is not an input of the Action', undefined],
      ['SETTING_INVALID', 'ceilings is not an input of the Action', undefined],
    ])
  })
})
