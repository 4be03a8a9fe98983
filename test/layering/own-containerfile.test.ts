// Containerfiles of users: which are built on the base image, and what is filled in.

import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import { parsePinnedReference } from '../../src/formats/oci/reference.ts'
import { renderContainerfile } from '../../src/layering/containerfile.ts'
import { planLayering } from '../../src/layering/layering-plan.ts'
import { fillOwnContainerfile, parseOwnContainerfile } from '../../src/layering/own-containerfile.ts'

const values = { BASE: 'quay.example/os@sha256:ab', KERNEL_RELEASE: '5.14.0-605.el9.x86_64' }
const BASE = '$' + '{BASE}'

function refusal(text: string): ToolError | undefined {
  try {
    parseOwnContainerfile(text, 'Containerfile')
    return undefined
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}

describe('a Containerfile of the user', () => {
  it.each([
    ['the least', `ARG BASE\nFROM ${BASE}\n`],
    ['without braces, in small letters', 'arg BASE\nfrom $BASE\n'],
    ['with a default, comments and line ends of Windows', `# a comment\r\nARG BASE=none\r\n\r\nFROM ${BASE}\r\n`],
    ['stages that come from each other', `ARG BASE\nFROM ${BASE} AS one\nFROM one as Two\nRUN id\nFROM two\n`],
    [
      'a copy from a stage by its number or name',
      `ARG BASE\nFROM ${BASE} AS a\nFROM a\nCOPY --from=0 /x /x\nCOPY --from=A /x /x\n`,
    ],
    ['a mount from a stage', `ARG BASE\nFROM ${BASE} AS a\nFROM a\nRUN --mount=type=bind,from=a,target=/a true\n`],
    ['values in quotes', `ARG X="a BASE=b" BASE\nFROM ${BASE}\n`],
    ['a word over two lines', `ARG BASE\nFR\\\nOM $\\\n{BASE}\n`],
    ['a shift and a here-string', `ARG BASE\nFROM ${BASE}\nRUN cat <<<x && echo $((1<<3))\n`],
    ['several arguments at once', `ARG X=1 BASE Y=2\nFROM ${BASE}\n`],
    ['FROM in a line that goes on', `ARG BASE\nFROM ${BASE}\nRUN echo \\\nFROM busybox\n`],
    ['FROM behind a comment in a line that goes on', `ARG BASE\nFROM ${BASE}\nRUN echo \\\n# more\n\nFROM busybox\n`],
    ['Python in a quoted here-document', `ARG BASE\nFROM ${BASE}\nRUN python3 - <<-'PY'\nfrom os import path\n\tPY\n`],
    ['two here-documents', `ARG BASE\nFROM ${BASE}\nCOPY <<A <<B /x/\nfrom a import b\nA\nfrom b as c, d\nB\n`],
  ])('is taken: %s', (_name, text) => {
    expect(refusal(text)).toBeUndefined()
  })

  it.each([
    ['nothing', '', 1, 'no FROM'],
    ['no FROM', 'ARG BASE\nRUN id\n', 1, 'no FROM'],
    ['another image', 'ARG BASE\nFROM busybox\n', 2, 'FROM busybox'],
    ['no ARG', `FROM ${BASE}\n`, 1, 'no ARG BASE before the first FROM'],
    ['ARG behind FROM only', `FROM ${BASE}\nARG BASE\n`, 1, 'no ARG BASE before the first FROM'],
    ['an argument that begins like ours', `ARG BASES\nFROM ${BASE}\n`, 2, 'no ARG BASE before the first FROM'],
    ['another image in the last stage', `ARG BASE\nFROM ${BASE} AS a\nFROM scratch\n`, 3, 'FROM scratch'],
    ['another image in the first stage', `ARG BASE\nFROM busybox AS a\nFROM ${BASE}\n`, 2, 'FROM busybox AS a'],
    ['a stage that comes later', `ARG BASE\nFROM two\nFROM ${BASE} AS two\n`, 2, 'FROM two'],
    ['a tag behind the argument', `ARG BASE\nFROM ${BASE}:latest\n`, 2, `FROM ${BASE}:latest`],
    ['a default in FROM', 'ARG BASE\nFROM ' + '$' + '{BASE:-busybox}\n', 2, 'busybox'],
    ['a platform', `ARG BASE\nFROM --platform=linux/arm64 ${BASE}\n`, 2, '--platform'],
    ['a FROM over two lines', 'ARG BASE\nFROM \\\n  busybox\n', 2, 'FROM busybox'],
    ['another escape character', `# escape=\`\nARG BASE\nFROM ${BASE}\n`, 1, 'a parser directive'],
    ['another syntax', `# syntax=docker.io/x/y\nARG BASE\nFROM ${BASE}\n`, 1, 'a parser directive'],
    ['a control character', `ARG BASE\nFROM ${BASE}\nRUN id\u0000\n`, 1, 'a control character'],
    ['a byte order mark', `\uFEFFARG BASE\nFROM ${BASE}\n`, 1, 'a control character'],
    ['a last line that goes on', `ARG BASE\nFROM ${BASE}\nRUN id \\\n\n`, 3, 'a backslash at the end'],
    ['FROM behind a here-document', `ARG BASE\nFROM ${BASE}\nRUN <<E\nE\nFROM busybox\n`, 5, 'FROM busybox'],
    [
      'FROM in a here-document, which old builders do not know',
      `ARG BASE\nFROM ${BASE}\nRUN <<E\nFROM busybox\nE\n`,
      4,
      'FROM busybox',
    ],
    ['FROM over two lines', `ARG BASE\nFROM ${BASE}\nFR\\\nOM busybox\n`, 3, 'FROM busybox'],
    [
      'FROM behind a backslash that is escaped',
      `ARG BASE\nFROM ${BASE}\nRUN true \\\\\nFROM busybox\n`,
      3,
      'two backslashes',
    ],
    [
      'FROM behind a space that Go does not know',
      `ARG BASE\nFROM ${BASE}\nRUN true \\\u00a0\nFROM busybox\n`,
      3,
      'a space',
    ],
    [
      'FROM behind a comment that is text to old builders',
      `ARG BASE\nFROM ${BASE}\nRUN true \\\n  # x\nFROM busybox\n`,
      5,
      'FROM busybox',
    ],
    ['FROM behind << inside of a word', `ARG BASE\nFROM ${BASE}\nRUN echo a<<EOF\nFROM busybox\nEOF\n`, 3, 'a<<EOF'],
    [
      'FROM behind a here-document in quotes',
      `ARG BASE\nFROM ${BASE}\nRUN echo "a <<E "\nFROM busybox\nE\n`,
      4,
      'FROM busybox',
    ],
    [
      'an end of a here-document that is a comment',
      `ARG BASE\nFROM ${BASE}\nRUN <<"#x"\na \\\n#x\nFROM busybox\n`,
      3,
      '#x',
    ],
    [
      'an end with tabs where none may be',
      `ARG BASE\nFROM ${BASE}\nRUN <<E\n\tE\nRUN <<X\nE\nFROM busybox\n`,
      7,
      'FROM busybox',
    ],
    ['a here-document without an end', `ARG BASE\nFROM ${BASE}\nRUN <<E\nid\n`, 3, 'without an end'],
    ['a syntax as BuildKit takes it besides', `// syntax=docker.io/x/y\nARG BASE\nFROM ${BASE}\n`, 1, '//'],
    ['a syntax in JSON', `{"syntax":"docker.io/x/y"}\nARG BASE\nFROM ${BASE}\n`, 1, 'SYNTAX'],
    ['a stage by its number, which is an image to BuildKit', `ARG BASE\nFROM ${BASE}\nFROM 0\n`, 3, 'FROM 0'],
    ['a stage with a variable for a name', `ARG BASE X=busybox\nFROM ${BASE} AS $X\nFROM $X\n`, 2, 'AS $X'],
    ['a stage named as no image', `ARG BASE\nFROM ${BASE} AS scratch\nFROM scratch\n`, 2, 'AS scratch'],
    ['our argument in quotes', `ARG BASE\nARG "BASE"=busybox\nFROM ${BASE}\n`, 2, '"BASE"=busybox'],
    ['a copy from an image', `ARG BASE\nFROM ${BASE}\nCOPY --chown=0 --from=busybox /x /x\n`, 3, 'COPY from busybox'],
    ['a copy from its own stage', `ARG BASE\nFROM ${BASE}\nCOPY --from=0 /x /x\n`, 3, 'COPY from 0'],
    [
      'a copy from an image behind quotes',
      `ARG BASE\nFROM ${BASE}\nCOPY --fr"om"=busybox /x /x\n`,
      3,
      'COPY --fr"om"=busybox',
    ],
    [
      'a mount from an image',
      `ARG BASE\nFROM ${BASE}\nRUN --mount=type=bind,from=busybox,target=/x true\n`,
      3,
      'RUN from busybox',
    ],
    ['a download', `ARG BASE\nFROM ${BASE}\nADD https://x.example/x /x\n`, 3, 'ADD'],
    ['too many bytes', `ARG BASE\nFROM ${BASE}\n#${'x'.repeat(262_144)}\n`, 1, 'bytes'],
  ])('is refused: %s', (_name, text, line, found) => {
    const error = refusal(text)
    expect(error?.code).toBe('CONTAINERFILE_INVALID')
    expect(error?.found).toContain(found)
    expect(error?.where.source).toBe(`Containerfile, line ${line}`)
  })

  it('is refused at every length where its last stage does not begin with the base', () => {
    const text = `ARG BASE\nFROM ${BASE} AS one\nRUN <<E\nid\nE\nFROM one\nLABEL a=b\n`
    const taken = []
    for (let length = 0; length <= text.length; length += 1) {
      const error = refusal(text.slice(0, length))
      expect([undefined, 'CONTAINERFILE_INVALID']).toContain(error?.code)
      if (error === undefined) taken.push(text.slice(0, length).split('\n').at(-1))
    }
    expect(taken.slice(0, 2)).toEqual([`FROM ${BASE}`, `FROM ${BASE} `])
    expect(taken.filter(line => line?.startsWith('FROM'))).toEqual([
      `FROM ${BASE}`,
      `FROM ${BASE} `,
      `FROM ${BASE} AS o`,
      `FROM ${BASE} AS on`,
      `FROM ${BASE} AS one`,
      'FROM one',
    ])
  })

  it('gets our arguments where it declares them, and nothing else is changed', () => {
    const text = `# mine\nARG A=1 BASE=none\nFROM ${BASE}\nARG \\\n  KERNEL_RELEASE\nARG KERNEL_RELEASES\nRUN echo ARG BASE\n\n`
    expect(fillOwnContainerfile(text, values)).toBe(
      `# mine\nARG A=1 BASE=${values.BASE}\nFROM ${BASE}\nARG KERNEL_RELEASE=${values.KERNEL_RELEASE}\n\nARG KERNEL_RELEASES\nRUN echo ARG BASE`,
    )
  })

  it('gets our labels behind its last instruction', () => {
    const base = parsePinnedReference(`quay.example/os@sha256:${'ab'.repeat(32)}`)
    const plan = planLayering({
      base,
      baseName: 'quay.example/os:1',
      kernelRelease: values.KERNEL_RELEASE,
      packages: [],
      installed: new Set(),
      hasUnifiedKernel: true,
      baseHas: () => false,
      own: { path: 'Containerfile', text: `ARG BASE\nFROM ${BASE}\nRUN id` },
    })
    expect(plan.way).toBe('containerfile')
    expect(renderContainerfile(plan)).toBe(
      [
        `ARG BASE=quay.example/os@sha256:${'ab'.repeat(32)}`,
        `FROM ${BASE}`,
        'RUN id',
        `LABEL org.opencontainers.image.base.digest="sha256:${'ab'.repeat(32)}"`,
        'LABEL org.opencontainers.image.base.name="quay.example/os:1"',
        `LABEL org.opencontainers.image.version="kernel-${values.KERNEL_RELEASE}"`,
        `LABEL attested-os-update.kernel-release="${values.KERNEL_RELEASE}"`,
        '',
      ].join('\n'),
    )
  })
})
