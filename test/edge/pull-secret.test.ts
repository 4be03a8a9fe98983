import { dump } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { dockerConfigOf, isPullSecretText } from '../../src/edge/pull-secret.ts'
import { readRegistryCredentials } from '../../src/edge/registry-credentials.ts'
import { faultOf, outcome } from '../build/damage.ts'

const config = {
  auths: { 'quay.io': { auth: Buffer.from('robot:secret-password').toString('base64'), email: 'a@b.c' } },
}
const json = JSON.stringify(config)
const encoded = Buffer.from(json).toString('base64')
/** As `oc get secret/pull-secret -n openshift-config -o yaml` prints it. */
const secret = (data: object, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'pull-secret', namespace: 'openshift-config', resourceVersion: '1' },
  type: 'kubernetes.io/dockerconfigjson',
  data,
  ...more,
})
const whole = secret({ '.dockerconfigjson': encoded })

describe('a pull secret', () => {
  it.each([
    ['the JSON itself', json],
    ['a Secret in YAML', dump(whole)],
    ['a Secret in JSON', JSON.stringify(whole, null, 4)],
    ['a Secret with stringData', dump(secret({}, { stringData: { '.dockerconfigjson': json } }))],
    [
      'a Secret of the old type',
      dump(
        secret(
          { '.dockercfg': Buffer.from(JSON.stringify(config.auths)).toString('base64') },
          { type: 'kubernetes.io/dockercfg' },
        ),
      ),
    ],
  ])('%s gives its credentials', async (_, text) => {
    const credentials = await readRegistryCredentials({ environment: {}, pullSecret: dockerConfigOf(text) })
    expect(await credentials.find('quay.io', 'a/b')).toEqual({
      kind: 'password',
      username: 'robot',
      password: 'secret-password',
    })
    expect(isPullSecretText(text)).toBe(true)
  })

  it('is told from a path', () => {
    for (const path of ['pull-secret.json', '/run/secrets/pull', './a {b}']) expect(isPullSecretText(path)).toBe(false)
  })

  it.each([
    ['another kind', dump({ ...whole, kind: 'ConfigMap' }), 'kind ConfigMap'],
    ['another type', dump({ ...whole, type: 'Opaque' }), 'type Opaque'],
    ['no data', dump(secret({})), 'no data[".dockerconfigjson"]'],
    [
      'data that is no base64',
      dump(secret({ '.dockerconfigjson': 'secret-password' })),
      'data[".dockerconfigjson"] that is not base64',
    ],
  ])('refuses %s without showing it', (_, text, found) => {
    const fault = faultOf(() => dockerConfigOf(text))
    expect(fault).toMatchObject({ code: 'INPUT_INVALID', found })
    expect(JSON.stringify([fault.message, fault.found, fault.wanted, fault.hint])).not.toContain('secret-password')
  })

  it('leaves texts that are no Secret to the reader of auth files', () => {
    for (const text of ['nonsense', '', '[1]', '{"auths":']) expect(dockerConfigOf(text)).toBe(text)
    expect(outcome(() => dockerConfigOf(' '.repeat(5 * 1024 * 1024)))).toBe('CEILING_REACHED')
  })
})
