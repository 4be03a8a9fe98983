// registries.conf: the examples of containers-registries.conf(5), and everything that is refused instead of guessed.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { imagePlaces, isInsecureTarget } from '../../../src/formats/oci/image-places.ts'
import { formatImageReference, parseImageReference } from '../../../src/formats/oci/reference.ts'
import { parseRegistriesConf } from '../../../src/formats/oci/registries-conf.ts'
import { cuts, flips, outcome } from '../../build/damage.ts'
import { expectToolError } from '../../build/expect-error.ts'

/** The example of the manual page. */
const manual = `
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true
`

function placesOf(text: string, image: string): string[] {
  return imagePlaces(parseRegistriesConf(text, 'registries.conf'), parseImageReference(image)).map(
    ({ reference, insecure, isMirror }) =>
      [formatImageReference(reference), ...(isMirror ? ['mirror'] : []), ...(insecure ? ['insecure'] : [])].join(' '),
  )
}

const digest = `sha256:${'a'.repeat(64)}`

describe('places', () => {
  it('are those of the manual page', () => {
    expect(placesOf(manual, 'example.com/foo/image:latest')).toEqual([
      'example-mirror-0.local/mirror-for-foo/image:latest mirror',
      'example-mirror-1.local/mirrors/foo/image:latest mirror insecure',
      'internal-registry-for-example.com/bar/image:latest',
    ])
    expect(placesOf(manual, 'example.com/other/image:latest')).toEqual(['example.com/other/image:latest'])
  })

  it.each([
    ['example.com', 'example.com/a', true],
    ['example.com', 'example.com:5000/a', false],
    ['example.com', 'example.com.evil.org/a', false],
    ['example.com:5000', 'example.com:5000/a', true],
    ['example.com/foo', 'example.com/foo/bar', true],
    ['example.com/foo', 'example.com/foo:tag', true],
    ['example.com/foo', `example.com/foo@${digest}`, true],
    ['example.com/foo', 'example.com/foobar', false],
    ['example.com/foo:tag', 'example.com/foo:tag', true],
    ['example.com/foo:tag', 'example.com/foo:tag2', false],
    ['*.example.com', 'a.example.com/x', true],
    ['*.example.com', 'a.b.example.com:5000/x', true],
    ['*.example.com', 'example.com/x', false],
    ['*.example.com', 'badexample.com/x', false],
    ['*.example.com', 'other.org/a.example.com/x', false],
    ['docker.io', 'busybox', true],
    ['docker.io/library', 'busybox', true],
  ])('%s for %s: %s', (prefix, image, fits) => {
    const text = `[[registry]]\nprefix = "${prefix}"\nblocked = true\n`
    const found = outcome(() => placesOf(text, image))
    expect(found).toBe(fits ? 'REGISTRY_BLOCKED' : 'read')
  })

  it('follow the longest prefix, and of equal ones the later', () => {
    const row = (prefix: string, location: string) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"\n`
    const text =
      row('example.com/a', 'one.local/x') + row('example.com', 'two.local') + row('example.com/a', 'three.local')
    expect(placesOf(text, 'example.com/a/b:t')).toEqual(['three.local/b:t'])
    expect(placesOf(text, 'example.com/c:t')).toEqual(['two.local/c:t'])
    expect(placesOf(row('*.example.com', 'two.local'), 'a.example.com/c:t')).toEqual(['two.local/c:t'])
    expect(placesOf(row('example.com/a:t', 'two.local/b'), 'example.com/a:t')).toEqual(['two.local/b:t'])
  })

  it('keep mirrors to what they are for', () => {
    const mirror = (use: string) => `[[registry.mirror]]\nlocation = "${use}.local"\npull-from-mirror = "${use}"\n`
    const text = `[[registry]]\nprefix = "example.com"\n${mirror('digest-only')}${mirror('tag-only')}${mirror('all')}`
    expect(placesOf(text, 'example.com/a:t').map(row => row.split('/')[0])).toEqual([
      'tag-only.local',
      'all.local',
      'example.com',
    ])
    expect(placesOf(text, `example.com/a:t@${digest}`).map(row => row.split('/')[0])).toEqual([
      'digest-only.local',
      'all.local',
      'example.com',
    ])
    const byDigest =
      '[[registry]]\nprefix = "example.com"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.local"'
    expect(placesOf(byDigest, 'example.com/a:t')).toHaveLength(1)
    expect(placesOf(byDigest, `example.com/a@${digest}`)).toHaveLength(2)
  })

  it('of a push are the target itself', () => {
    const rows = parseRegistriesConf(`${manual}\n[[registry]]\nlocation = "plain.local"\ninsecure = true`, 'x')
    expect(isInsecureTarget(rows, parseImageReference('example.com/foo/a:t'))).toBe(false)
    expect(isInsecureTarget(rows, parseImageReference('plain.local/a:t'))).toBe(true)
  })
})

describe('reading', () => {
  it.each([
    ['comments, blanks and line ends', '# c\r\n[[registry]] # c\r\n  prefix = "a.b"   # c\r\n\r\nblocked=false'],
    ['literal strings, quoted keys, escapes', '[["registry"]]\n"prefix" = \'a.b\'\nlocation = "c\\u002ed"'],
    [
      'lists of several lines',
      'unqualified-search-registries = [\n "a.b", # c\n "c.d",\n]\nshort-name-mode="enforcing"',
    ],
    ['aliases', '[aliases]\n"fedora" = "registry.fedoraproject.org/fedora"\nubi8 = "x"'],
    ['the usual credential helper', 'credential-helpers = ["containers-auth.json"]'],
    ['nothing', ''],
  ])('takes %s', (_name, text) => {
    expect(outcome(() => parseRegistriesConf(text, 'x'))).toBe('read')
  })

  it.each([
    ['version 1', "[registries.search]\nregistries = ['a.b']", 1],
    ['another table', '[other]\na = 1', 1],
    ['a key that is not known', '[[registry]]\nprefix = "a.b"\nlocaton = "c.d"', 3],
    [
      'a key of a mirror that is not known',
      '[[registry]]\nprefix = "a.b"\n[[registry.mirror]]\nlocation="c.d"\nblocked=true',
      5,
    ],
    ['a key at the top that is not known', 'blocked = true', 1],
    ['another credential helper', 'credential-helpers = ["secretservice"]', 1],
    ['a mirror before a registry', '[[registry.mirror]]\nlocation = "a.b"', 1],
    ['a registry without a name', '[[registry]]\nblocked = true', 1],
    ['a mirror without a location', '[[registry]]\nprefix="a.b"\n[[registry.mirror]]\ninsecure=true', 3],
    ['a host that would be a path of Docker Hub', '[[registry]]\nprefix="a.b"\nlocation="mirror/a"', 1],
    ['a URL', '[[registry]]\nprefix="a.b"\nlocation="https://c.d"', 1],
    ['text for a flag', '[[registry]]\nprefix="a.b"\nblocked="true"', 3],
    ['a flag for text', '[[registry]]\nprefix=true', 2],
    ['another use', '[[registry]]\nprefix="a.b"\n[[registry.mirror]]\nlocation="c.d"\npull-from-mirror="never"', 3],
    [
      'two ways to say the use',
      '[[registry]]\nprefix="a.b"\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation="c.d"\npull-from-mirror="all"',
      4,
    ],
    ['a key that is there twice', '[[registry]]\nprefix="a.b"\nprefix="c.d"', 3],
    ['a table that is there twice', '[aliases]\n[aliases]', 2],
    ['one table of registries', '[registry]\nprefix="a.b"', 1],
    ['inline tables', 'x = {a = 1}', 1],
    ['strings of several lines', '[[registry]]\nprefix = """a.b"""', 2],
    ['an unknown escape', '[[registry]]\nprefix = "a\\qb"', 2],
    ['keys with dots', 'a.b = 1', 1],
    ['two keys on a line', '[[registry]]\nprefix = "a.b" blocked = true', 2],
    ['mixed lists', 'unqualified-search-registries = ["a", 1]', 1],
    ['a list without its end', 'unqualified-search-registries = ["a"\n', 2],
    ['a header without its end', '[[registry]\nprefix = "a.b"', 1],
    ['words', 'hello', 1],
  ])('refuses %s', async (_name, text, line) => {
    const error = await expectToolError('INPUT_INVALID', () => parseRegistriesConf(text, 'registries.conf'))
    expect(error.where).toEqual({ source: 'registries.conf', line })
  })

  it('refuses or reads what is cut or damaged, and nothing else happens', () => {
    const bytes = new TextEncoder().encode(manual)
    const read = (part: Uint8Array) => outcome(() => parseRegistriesConf(new TextDecoder().decode(part), 'x'))
    for (const part of cuts(bytes)) expect(['read', 'INPUT_INVALID']).toContain(read(part))
    for (const { bytes: part } of flips(bytes)) expect(['read', 'INPUT_INVALID']).toContain(read(part))
  })

  it.skipIf(!existsSync('/etc/containers/registries.conf.d'))('reads the files of this system', () => {
    const directory = '/etc/containers/registries.conf.d'
    for (const name of readdirSync(directory).filter(one => one.endsWith('.conf')))
      expect(outcome(() => parseRegistriesConf(readFileSync(`${directory}/${name}`, 'utf8'), name))).toBe('read')
  })
})
