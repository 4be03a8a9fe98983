// The least that a reader in Node.js has to do: fetch every layer, two at a time, hash it, decompress it, hash what comes out. Reads nothing of it.

import { createHash } from 'node:crypto'
import { get } from 'node:http'
import { createGunzip } from 'node:zlib'

interface Manifest {
  readonly layers: readonly { readonly digest: string }[]
}

const [base = '', tag = ''] = process.argv.slice(2)
const accept = 'application/vnd.oci.image.manifest.v1+json'
const manifest = (await (await fetch(`${base}/manifests/${tag}`, { headers: { accept } })).json()) as Manifest
const queue = manifest.layers.values()

async function worker(): Promise<void> {
  for (const { digest } of queue) {
    const [stored, plain] = [createHash('sha256'), createHash('sha256')]
    await new Promise<void>((resolve, reject) => {
      get(`${base}/blobs/${digest}`, response => {
        const gunzip = createGunzip({ chunkSize: 128 * 1024 })
        response.on('data', chunk => stored.update(chunk))
        gunzip
          .on('data', chunk => plain.update(chunk))
          .on('end', resolve)
          .on('error', reject)
        response.pipe(gunzip)
      }).on('error', reject)
    })
    plain.digest()
    if (`sha256:${stored.digest('hex')}` !== digest) throw new Error(`${digest} is something else`)
  }
}
await Promise.all([worker(), worker()])
