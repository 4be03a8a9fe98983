// How words on the command line become options, and what is refused.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import { parseCommandLine } from '../../src/settings/command-line.ts'

const line = (text: string) => parseCommandLine(text.split(' '))
const faults = (text: string) => line(text).problems.map(error => [error.code, error.message, error.where.source])

describe('parseCommandLine', () => {
  it('reads values after a space or an equals sign, flags, and yes-or-no options', () => {
    const read = line(
      'update --pools worker --pools=infra --dry-run --allow-insecure false --json --allow-downgrade=true',
    )
    expect(read).toMatchObject({ command: 'update', json: true, help: false, version: false, problems: [] })
    expect(read.givens.map(({ name, texts }) => [name, texts])).toEqual([
      ['pools', ['worker', 'infra']],
      ['dry-run', ['true']],
      ['allow-insecure', ['false']],
      ['allow-downgrade', ['true']],
    ])
  })

  it('a yes-or-no option does not eat the next word', () => {
    expect(line('replay --json log.bin').givens.map(given => [given.name, given.texts])).toEqual([['LOG', ['log.bin']]])
    expect(faults('update --dry-run now')).toEqual([['USAGE', 'there is one word too many: now', 'now']])
  })

  it('knows help in all its forms', () => {
    expect(line('help predict')).toMatchObject({ help: true, command: 'predict', problems: [] })
    expect(line('predict --help')).toMatchObject({ help: true, command: 'predict' })
    expect(line('-h')).toMatchObject({ help: true, command: undefined })
    expect(line('--version')).toMatchObject({ version: true, problems: [] })
  })

  it('secrets come from files, never as options', () => {
    expect(line('update --gitops-token-file token.txt').secretFiles).toEqual(new Map([['gitops-token', 'token.txt']]))
    expect(faults('update --gitops-token ghp_hunter2')).toEqual([
      ['SETTING_INVALID', 'gitops-token is a secret and may not be an option', '--gitops-token'],
    ])
    const fault = line('update --gitops-token=ghp_hunter2').problems[0]
    expect(`${JSON.stringify(fault)}${fault?.message}${fault?.hint}`).not.toContain('hunter2')
  })

  it.each([
    ['update --poolz worker', 'SETTING_UNKNOWN', 'no setting is called poolz'],
    ['update -p worker', 'USAGE', 'there is no option -p'],
    ['update --pools', 'USAGE', '--pools needs a value'],
    ['update --pools=', 'USAGE', '--pools needs a value'],
    ['update --pools --dry-run', 'USAGE', '--pools needs a value'],
    ['update --json=yes', 'USAGE', '--json takes no value'],
    ['update --command check', 'USAGE', 'the command is the first word, not an option'],
    ['update --foreign-images a', 'SETTING_INVALID', 'foreign-images can be set in the settings file only'],
    ['update --LOG a', 'SETTING_UNKNOWN', 'no setting is called LOG'],
    ['update --toString a', 'SETTING_UNKNOWN', 'no setting is called toString'],
    ['replay a b', 'USAGE', 'there is one word too many: b'],
    ['update --gitops-token-file', 'USAGE', '--gitops-token-file needs a path'],
  ])('%s', (text, code, message) => {
    expect(faults(text)[0]?.slice(0, 2)).toEqual([code, message])
  })

  it('finds all faults of any words without throwing', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('--pools', '--', '-', '--=', '--json', '--gitops-token-file', 'update'),
    )
    fc.assert(
      fc.property(fc.array(word), words => parseCommandLine(words).problems.every(error => error instanceof ToolError)),
    )
  })
})
