// Changes of one value: judged by JSON.parse, and by the bytes around it.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { removeJsonValue, setJsonValue } from '../../../src/formats/oci/json-edit.ts'
import { outcome } from '../../build/damage.ts'

const set = (text: string, path: readonly string[], value: string) => setJsonValue(text, path, value, 'image')
const remove = (text: string, path: readonly string[]) => removeJsonValue(text, path, 'image')

describe('one value of a JSON text', () => {
  it.each([
    ['in place', '{ "a" : 1e400, "b":{"c" :"x}\\"" , "d":[]} }', '{ "a" : 1e400, "b":{"c" :5 , "d":[]} }'],
    ['as the last one', '{"b":{"d":1.0}}', '{"b":{"d":1.0,"c":5}}'],
    ['in an empty object', '{"b":{ }}', '{"b":{"c":5 }}'],
    ['with its object', '{"a":"\\u00e9"}\n', '{"a":"\\u00e9","b":{"c":5}}\n'],
    ['with its object in place of null', '{"b": null ,"a":[{"c":1}]}', '{"b": {"c":5} ,"a":[{"c":1}]}'],
    ['in an empty text', '{}', '{"b":{"c":5}}'],
  ])('is set %s, and every other byte stays', (_, before, after) => {
    expect(set(before, ['b', 'c'], '5')).toBe(after)
  })

  it.each([
    ['the first', '{"b":{"c":"," , "d":1}}', '{"b":{"d":1}}'],
    ['the last', '{"b":{"d":1 , "c":{"c":2} }}', '{"b":{"d":1 }}'],
    ['one between', '{"b":{"d":1,"c":2,"e":3}}', '{"b":{"d":1,"e":3}}'],
    ['the only one', '{"b":{ "c":2 }}', '{"b":{  }}'],
    ['none', '{"b":{"d":{"c":1}}}', '{"b":{"d":{"c":1}}}'],
    ['none of null', '{"b":null}', '{"b":null}'],
    ['none of nothing', '{"d":1}', '{"d":1}'],
  ])('is removed: %s', (_, before, after) => {
    expect(remove(before, ['b', 'c'])).toBe(after)
  })

  it.each([
    ['a name twice', '{"b":{"c":1},"b":{}}'],
    ['a name in two cases', '{"b":{"c":1,"C":2}}'],
    ['a name in another case', '{"B":{"c":1}}'],
    ['an escaped name a second time', '{"b":{"c":1},"\\u0062":{}}'],
    ['a text where an object is needed', '{"b":"x"}'],
    ['a list where an object is needed', '{"b":[]}'],
  ])('is refused where readers differ: %s', (_, text) => {
    expect(outcome(() => set(text, ['b', 'c'], '5'))).toBe('IMAGE_INVALID')
    expect(outcome(() => remove(text, ['b', 'c']))).toBe('IMAGE_INVALID')
  })

  it('is what JSON.parse then reads, in any document', () => {
    // no backslash: V8 13 takes the name "\"" for it when an object with that name was parsed before
    const name = fc.constantFrom('config', 'Labels', 'x', '"', 'é', '')
    const labels = fc.dictionary(name, fc.jsonValue())
    const document = fc.record({ rest: fc.dictionary(name, fc.jsonValue()), labels: fc.option(labels) })
    fc.assert(
      fc.property(document, fc.nat({ max: 4 }), fc.string(), ({ rest, labels }, indent, value) => {
        const { Labels: _, ...others } = rest
        const whole = { ...rest, config: { ...others, ...(labels === null ? {} : { Labels: labels }) } }
        const text = JSON.stringify(whole, null, indent)
        const path = ['config', 'Labels', 'org.example']
        const after = set(text, path, JSON.stringify(value))
        const wanted = structuredClone(whole) as { config: { Labels?: Record<string, unknown> } }
        wanted.config.Labels = { ...wanted.config.Labels, 'org.example': value }
        expect(JSON.stringify(JSON.parse(after))).toBe(JSON.stringify(wanted))
        // an object that was made for the label stays, empty
        const removed = JSON.parse(remove(after, path))
        expect(JSON.stringify(removed)).toBe(
          JSON.stringify({ ...whole, config: { ...whole.config, Labels: { ...labels } } }),
        )
      }),
    )
  })
})
