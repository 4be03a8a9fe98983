// Every type of value: what it takes and what it refuses.

import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import * as values from '../../src/settings/values.ts'
import { formatWords, layoutWords } from '../../src/settings/words.ts'

const digest = `sha256:${'ab'.repeat(32)}`

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof ToolError) return error.code
    throw error
  }
  return 'none'
}

const accepted: readonly (readonly [(text: string) => unknown, string, unknown])[] = [
  [values.parseBoolean, 'true', true],
  [values.parseBoolean, 'false', false],
  [values.parseWord(formatWords), 'json', 'json'],
  [values.parseDnsLabel, 'worker-2', 'worker-2'],
  [values.parseDnsLabel, 'a'.repeat(63), 'a'.repeat(63)],
  [values.parsePackageName, 'kernel-modules-extra', 'kernel-modules-extra'],
  [values.parsePackageName, 'libstdc++', 'libstdc++'],
  [values.parseRpmKey, `a#b.asc#${'0a'.repeat(20)}`, { fingerprint: '0A'.repeat(20), key: { path: 'a#b.asc' } }],
  [values.parseRpmKey, `k #${'0aB1 '.repeat(16)}`, { fingerprint: '0AB1'.repeat(16), key: { path: 'k' } }],
  [values.parseDist, '.el9_6', '.el9_6'],
  [values.parseDist, 'fc42', 'fc42'],
  [values.parseKernelVersion, 'latest', 'latest'],
  [values.parseKernelVersion, '6.10', '6.10'],
  [values.parseKernelVersion, '5.14.0-611.5.1.el9_7', '5.14.0-611.5.1.el9_7'],
  [values.parseKernelVersion, '>=5.14.0-600 <5.14.0-700', '>=5.14.0-600 <5.14.0-700'],
  [values.parseDays, '365', 365],
  [values.parseDays, '1', 1],
  [values.parseGitHubRepository, 'example/gitops.files', { owner: 'example', name: 'gitops.files' }],
  [values.parseBranch, 'release/4.20', 'release/4.20'],
  [values.parseDirectory, '.', ''],
  [values.parseDirectory, './clusters//north/', 'clusters/north'],
  [values.parseImageRepository, 'localhost:5000/os/worker', { registry: 'localhost:5000', repository: 'os/worker' }],
  [values.parseKernelRepository, 'https://mirror.example.org/x86_64//', 'https://mirror.example.org/x86_64'],
  [values.parseKernelRepository, 'http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ...['metalink=https://a/m?repo=f44&arch=x86_64', 'mirrorlist=https://a/m?b/'].map(
    text => [values.parseKernelRepository, text, text] as const,
  ),
  [values.parseImageLocation, 'oci:layout', { kind: 'oci-layout', directory: 'layout', tag: undefined }],
  [values.parseImageLocation, 'oci-archive:a.tar', { kind: 'oci-archive', file: 'a.tar', tag: undefined }],
  [values.parseImageLocation, 'dir:/mnt/a:b', { kind: 'root-file-system', directory: '/mnt/a:b' }],
  [values.parseImageLocation, 'oci:/tmp/a b:latest', { kind: 'oci-layout', directory: '/tmp/a b', tag: 'latest' }],
  [
    values.parseImageLocation,
    `docker://quay.io/a/b@${digest}`,
    { kind: 'registry', reference: { registry: 'quay.io', repository: 'a/b', tag: undefined, digest } },
  ],
  [
    values.parseImageLocation,
    'quay.io/a/b:1',
    { kind: 'registry', reference: { registry: 'quay.io', repository: 'a/b', tag: '1', digest: undefined } },
  ],
  [values.parseMachineConfigName, '99-{pool}-os-image', '99-{pool}-os-image'],
  [values.parseTemplate(['kernel', 'change']), '{kernel}+{change}', '{kernel}+{change}'],
  [values.parseBootFilePath, 'shim=a=b.efi', { role: 'shim', path: 'a=b.efi' }],
]

const refused: readonly (readonly [(text: string) => unknown, string, string?])[] = [
  ...['yes', 'on', 'TRUE', 'True', '1', ''].map(text => [values.parseBoolean, text] as const),
  [values.parseWord(formatWords), 'jason'],
  [values.parseWord(layoutWords), 'flux', 'SETTING_NOT_SUPPORTED'],
  ...['Worker', '-a', 'a-', 'a.b', 'a b', '', 'a'.repeat(64)].map(text => [values.parseDnsLabel, text] as const),
  ...['-kernel', '../kernel', 'kernel core', 'kernel;rm'].map(text => [values.parsePackageName, text] as const),
  ...['keys/a', 'a#', `a#${'a'.repeat(39)}`, `a#${'g'.repeat(40)}`, 'a#fd431d51', `#${'a'.repeat(40)}`].map(
    text => [values.parseRpmKey, text] as const,
  ),
  ...['..el9', 'el9-6', ''].map(text => [values.parseDist, text] as const),
  ...['newest', '>= 6.1', '6.1 6.2', '6.1 <6.2', '$(id)', '>6.1\n'].map(
    text => [values.parseKernelVersion, text] as const,
  ),
  ...['0', '-1', '1.5', '365d', '99999', '1e3', ''].map(text => [values.parseDays, text] as const),
  ...['example', 'a/b/c', '/b', 'a/', 'a/..', 'https://github.com/a/b', 'a/b.git'].map(
    text => [values.parseGitHubRepository, text] as const,
  ),
  ...['a..b', '-a', 'a b', 'refs/heads/main', 'a.lock', '/a', 'a/', 'a@{1}', '@', 'a//b', '.a', 'a/.b', ''].map(
    text => [values.parseBranch, text] as const,
  ),
  ...['/etc', '..', 'a/../b', 'a\\b', 'a\nb', '.git', 'a/.GIT/b', '.github', './.github/workflows'].map(
    text => [values.parseDirectory, text] as const,
  ),
  ...['quay.io/a/b:tag', `quay.io/a/b@${digest}`, 'a/b', 'docker://quay.io/a/b'].map(
    text => [values.parseImageRepository, text] as const,
  ),
  [values.parseImageRepository, 'quay.io/A/b', 'REFERENCE_INVALID'],
  ...[
    'mirror.example.org',
    'ftp://a/b',
    'file:///etc',
    'https://',
    'https://user:pass@a/b',
    'https://a/b?c',
    'https://a/b#c',
  ].map(text => [values.parseKernelRepository, text] as const),
  [values.parseKernelRepository, 'metalink=https://user:pass@a/b'],
  [values.parseKernelRepository, 'mirrorlist=ftp://a/b'],
  [values.parseKernelRepository, 'baseurl=https://a/b'],
  [values.parseKernelRepository, 'https://a/$releasever/$basearch/os'],
  [values.parseWholeImageLocation, 'dir:/'],
  [values.parseWholeImageLocation, 'oci:'],
  [values.parseImageLocation, 'dir:'],
  ...['containers-storage:a', 'docker-daemon:a:b', 'oci:', 'oci:a:b:c', 'oci-archive:', 'oci-archive:a:b:c'].map(
    text => [values.parseImageLocation, text] as const,
  ),
  ...['99-os-image', '{pool}-{kernel}', '{pool', '99_{pool}', '-{pool}', '{pool}..a', 'A{pool}'].map(
    text => [values.parseMachineConfigName, text] as const,
  ),
  ...['shim', 'grub=', 'initrd=a', '=a'].map(text => [values.parseBootFilePath, text] as const),
]

describe('values', () => {
  it.each(accepted)('%o takes %j', (parse, text, value) => {
    expect(parse(text)).toEqual(value)
  })

  it.each(refused.map(([parse, text, code = 'SETTING_INVALID']) => ({ parse, text, code })))(
    '$parse.name refuses $text',
    ({ parse, text, code }) => {
      expect(codeOf(() => parse(text))).toBe(code)
    },
  )

  it('does not repeat a password', () => {
    try {
      values.parseKernelRepository('https://user:hunter2@mirror.example.org/x')
      expect.unreachable()
    } catch (error) {
      expect(JSON.stringify(error) + String(error)).not.toContain('hunter2')
    }
  })
})
