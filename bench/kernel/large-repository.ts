// An RPM repository of the size of a distribution's: the same bytes for the same size. Names and lengths are like those of CentOS Stream's BaseOS.

import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'

export interface LargeRepository {
  /** Path → bytes; repomd.xml and primary metadata only. */
  readonly files: Map<string, Uint8Array>
  /** Bytes of primary.xml. */
  readonly openSize: number
  readonly packages: number
  /** Version and release of the newest kernel of which all packages are there. */
  readonly newest: string
}

const members = ['kernel', 'kernel-core', 'kernel-modules', 'kernel-modules-core', 'kernel-modules-extra']
/** Other packages between two kernels. */
const others = 500

/** primary.xml has `size` bytes or a little more. The last kernel has no kernel-modules, as in a mirror that is being synchronised. */
export function largeRepository(size: number, compression: 'gz' | 'zst'): LargeRepository {
  const parts: string[] = []
  let length = 0
  let packages = 0
  let release = 500
  const add = (text: string) => {
    parts.push(text)
    length += text.length
  }
  const kernel = (without?: string) => {
    for (const name of members) {
      if (name === without) continue
      add(entry(name, `${release}.el9`, 'kernel', packages))
      packages += 1
    }
  }
  while (length < size) {
    kernel()
    for (let index = 0; index < others && length < size; index += 1) {
      add(entry(`package-${packages}`, `${packages % 9}.el9`, `source-${packages >> 3}`, packages))
      packages += 1
    }
    release += 1
  }
  const newest = `5.14.0-${release - 1}.el9`
  kernel('kernel-modules')
  const text = Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="${packages}">\n${parts.join('')}</metadata>\n`,
  )
  const packed = compression === 'gz' ? gzipSync(text) : zstdCompressSync(text)
  const path = `repodata/${sha256(packed)}-primary.xml.${compression}`
  const repomd = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1</revision>
  <data type="primary">
    <checksum type="sha256">${sha256(packed)}</checksum>
    <open-checksum type="sha256">${sha256(text)}</open-checksum>
    <location href="${path}"/>
    <timestamp>${Math.floor(Date.now() / 1000)}</timestamp>
    <size>${packed.length}</size>
    <open-size>${text.length}</open-size>
  </data>
</repomd>
`
  const files = new Map<string, Uint8Array>([
    ['repodata/repomd.xml', Buffer.from(repomd)],
    [path, packed],
  ])
  return { files, openSize: text.length, packages, newest }
}

function entry(name: string, release: string, source: string, index: number): string {
  const relations = (count: number, what: string) =>
    Array.from(
      { length: count },
      (_, one) =>
        `      <rpm:entry name="lib${what}-${(index * 7 + one) % 9973}.so.1()(64bit)" flags="EQ" epoch="0" ver="5.14.0" rel="${release}"/>\n`,
    ).join('')
  return `<package type="rpm">
  <name>${name}</name>
  <arch>x86_64</arch>
  <version epoch="0" ver="5.14.0" rel="${release}"/>
  <checksum type="sha256" pkgid="YES">${sha256(`${name}-${release}`)}</checksum>
  <summary>What ${name} does, &amp; for whom</summary>
  <description>${`${name} is here to be passed over. It has words like any other, and as many of them. `.repeat(6)}</description>
  <packager>builder@centos.org</packager>
  <url>https://www.example.org/${name}</url>
  <time file="1760000000" build="1759900000"/>
  <size package="${100_000 + index}" installed="${300_000 + index}" archive="${310_000 + index}"/>
  <location href="Packages/${name}-5.14.0-${release}.x86_64.rpm"/>
  <format>
    <rpm:license>GPL-2.0-only</rpm:license>
    <rpm:vendor>CentOS</rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>builder.example.org</rpm:buildhost>
    <rpm:sourcerpm>${source}-5.14.0-${release}.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="4504" end="48232"/>
    <rpm:provides>
      <rpm:entry name="${name}" flags="EQ" epoch="0" ver="5.14.0" rel="${release}"/>
${relations(5, 'provided')}    </rpm:provides>
    <rpm:requires>
${relations(14, 'required')}    </rpm:requires>
    <file>/usr/bin/${name}</file>
    <file>/etc/${name}.conf</file>
  </format>
</package>
`
}

function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
