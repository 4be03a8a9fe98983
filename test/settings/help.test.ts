// Help and outputs: complete, and from the tables.

import { describe, expect, it } from 'vitest'
import { renderHelp } from '../../src/settings/help.ts'
import { commandsOf, inputs } from '../../src/settings/inputs.ts'
import { allOutputs, outputNames, outputsDocument } from '../../src/settings/outputs.ts'
import { commandWords } from '../../src/settings/words.ts'

describe('renderHelp', () => {
  it('lists every command, and for each every option that works', () => {
    for (const command of commandWords.now) {
      expect(renderHelp()).toContain(`  ${command} `)
      const help = renderHelp(command)
      for (const input of inputs.values()) {
        const option = `  --${input.name}${input.secret === true ? '-file PATH' : ''}`
        const there = help.split('\n').some(line => line === option || line.startsWith(`${option} `))
        expect(there, `${command} ${input.name}`).toBe(input.name !== 'command' && commandsOf(input).includes(command))
      }
    }
    expect(renderHelp('predict')).toContain('  --boot-file ')
    expect(renderHelp('replay')).toContain('replay LOG')
    expect(renderHelp('update')).not.toContain('--gitops-token ')
  })
})

describe('outputs', () => {
  it('are all set, those without a value empty', () => {
    const set = allOutputs({ outcome: 'failed', 'error-code': 'BUG' })
    expect([...set.keys()]).toEqual(outputNames)
    expect(set.get('outcome')).toBe('failed')
    expect(set.get('pull-request-url')).toBe('')
  })

  it('are a document in camelCase', () => {
    expect(outputsDocument({ outcome: 'created', 'pull-request-number': '7' }, [])).toMatchObject({
      schemaVersion: 1,
      outcome: 'created',
      pullRequestNumber: '7',
      baseImage: null,
      errors: [],
    })
  })
})
