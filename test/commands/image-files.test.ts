import { describe, expect, it } from 'vitest'
import { readImageFiles } from '../../src/commands/image-files.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { expectToolError } from '../build/expect-error.ts'
import { directory, file, type LayerEntry, makeLayer, symlink, whiteout } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const path = 'release-manifests/image-references'
const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString())

/** Layers lowest first; gives what is at the path, and which layers were read. */
async function read(layers: readonly (readonly LayerEntry[])[]) {
  const made = layers.map(entries => makeLayer(entries))
  const layout = temporaryDirectory()
  await writeLayout(makeImage({ layers: made }), layout)
  const image = await openLayout(layout, { architecture: 'amd64' })
  const asked: number[] = []
  const files = await readImageFiles(
    {
      ...image,
      openLayer: layer => {
        asked.push(made.findIndex(({ digest }) => digest === layer.digest))
        return image.openLayer(layer)
      },
    },
    [path],
  )
  return { found: text(files.get(path)), asked }
}

describe('named files of an image', () => {
  it('come from the highest layer that has them, and no lower one is read', async () => {
    const layers = [
      [file('a', 'a')],
      [directory('release-manifests'), file(path, 'old')],
      [file(path, 'new')],
      [file('b', 'b')],
    ]
    expect(await read(layers)).toEqual({ found: 'new', asked: [3, 2] })
  })

  it('are not there where a higher layer takes them away', async () => {
    expect(await read([[file(path, 'old')], [whiteout(path)]])).toEqual({ found: undefined, asked: [1, 0] })
    expect(await read([[file(path, 'old')], [whiteout('release-manifests')]])).toMatchObject({ found: undefined })
  })

  it('are refused when a link leads elsewhere', async () => {
    const beside = [[file('release-manifests/other', 'x'), symlink(path, '/etc/passwd')]]
    await expectToolError('LAYER_UNSUPPORTED', read(beside))
    await expectToolError(
      'LAYER_UNSUPPORTED',
      read([[symlink('release-manifests', 'manifests'), file('manifests/x', 'x')]]),
    )
  })

  it('have a ceiling', async () => {
    await expectToolError('CEILING_REACHED', read([[file(path, new Uint8Array(5 * 1024 * 1024))]]))
  })

  it('are nothing of an image without layers', async () => {
    expect(await read([])).toEqual({ found: undefined, asked: [] })
  })
})
