// Boot files of real size for the bench, signed with keys made for it: nothing is downloaded.

import { createCipheriv, X509Certificate } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { firmwareKey, makeGrub, makeKernel, makeShim, vendorKeys } from '../test/build/boot-files.ts'
import { makePe } from '../test/build/pe.ts'

export interface Inputs {
  /** A root file system with the three files at the places where CoreOS has them. */
  readonly root: string
  readonly shim: string
  readonly grub: string
  readonly kernel: string
  readonly uki: string
  /** Files that the sections of the UKI were made of. */
  readonly sections: Readonly<Record<'linux' | 'osrel' | 'cmdline' | 'initrd', string>>
  /** Signers' certificates, PEM. */
  readonly firmwareCertificate: string
  readonly vendorCertificate: string
}

const mebibyte = 1 << 20
const release = '6.1.0-56.x86_64'
const seed = 'bench'

export function makeInputs(directory: string): Inputs {
  const path = (...parts: readonly string[]) => join(directory, ...parts)
  const put = (name: string, data: Uint8Array | string) => {
    mkdirSync(dirname(path(name)), { recursive: true })
    writeFileSync(path(name), data)
    return path(name)
  }
  const { signer } = vendorKeys(seed)
  const kernel = makeKernel({ seed, release, text: noise(15 * mebibyte) })
  const linux = makeKernel({ seed, release, text: noise(15 * mebibyte), signer: null })
  const initrd = noise(30 * mebibyte)
  const [osrel, cmdline] = ['ID=test\nVERSION_ID=1\n', 'root=/dev/none ro'].map(text => Buffer.from(text))
  const sections = [
    { name: '.text', data: noise(60_000) },
    {
      name: '.sbat',
      data: Buffer.from('sbat,1,SBAT Version,sbat,1,https://example.com\nsystemd-stub,1,x,systemd,252\n'),
    },
    { name: '.sdmagic', data: Buffer.from('#### LoaderInfo: systemd-stub 252.38-1~deb12u1 ####\0') },
    { name: '.osrel', data: new Uint8Array(osrel ?? []) },
    { name: '.cmdline', data: new Uint8Array(cmdline ?? []) },
    { name: '.linux', data: linux },
    { name: '.initrd', data: initrd },
  ]
  const loaders = 'root/usr/lib/bootupd/updates/EFI/test'
  put('root/usr/lib/os-release', 'NAME="Test OS"\nID=test\nVERSION_ID="42.1"\n')
  put(`root/usr/lib/modules/${release}/initramfs.img`, initrd)
  return {
    root: path('root'),
    shim: put(`${loaders}/shimx64.efi`, makeShim({ seed })),
    grub: put(`${loaders}/grubx64.efi`, makeGrub({ seed })),
    kernel: put(`root/usr/lib/modules/${release}/vmlinuz`, kernel),
    uki: put('uki.efi', makePe({ sections }, firmwareKey(seed))),
    sections: {
      linux: put('linux', linux),
      osrel: put('osrel', osrel ?? ''),
      cmdline: put('cmdline', cmdline ?? ''),
      initrd: put('initrd', initrd),
    },
    firmwareCertificate: put('firmware.pem', new X509Certificate(firmwareKey(seed).certificate).toString()),
    vendorCertificate: put('vendor.pem', new X509Certificate(signer.certificate).toString()),
  }
}

/** Bytes that no program can shorten; always the same. */
function noise(length: number): Uint8Array {
  const cipher = createCipheriv('aes-128-ctr', new Uint8Array(16), new Uint8Array(16))
  return new Uint8Array(cipher.update(new Uint8Array(length)))
}
