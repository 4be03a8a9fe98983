import { expect, it } from 'vitest'
import { readProviders } from '../../../src/formats/rpm/primary-provides.ts'

const wanted = [{ name: 'food', sense: 0, version: '' }]
const entry = (name: string) =>
  `<package><name>${name}</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/><format><provides><entry name="food"/></provides></format></package>`

async function providersAmong(...names: readonly string[]): Promise<string[]> {
  const document = `<metadata>${names.map(entry).join('')}</metadata>`
  const found: string[] = []
  for await (const { name } of readProviders([document], wanted, 'test')) found.push(name)
  return found
}

it('names of packages are told to people only when they are such', async () => {
  const good = ['kernel-core', 'gtk+', 'libstdc++', 'a.b_c', '0ad', '_x']
  const bad = ['a b', 'a&#10;RPM_KEY_UNKNOWN: no', '', '-x', 'a/b', 'a\u009b31m', 'x'.repeat(257)]
  expect(await providersAmong(...bad, ...good)).toEqual(good)
})
