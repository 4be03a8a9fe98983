// Credential helpers: docker-credential-<name> get, the protocol of docker-credential-helpers (credentials.go, client/client.go).

import { spawn } from 'node:child_process'
import type { RegistryCredential } from './registry-credentials.ts'

/** No credentials, and why. */
export interface NoHelperAnswer {
  readonly kind: 'none'
  readonly fault: string
}

export interface HelperLimits {
  /** Default 30 s. */
  readonly timeoutMs?: number
}

/** Bytes of an answer; tokens of clouds have some thousands. */
const answerCeiling = 256 * 1024

/** The end of a program's name: no path, no option. */
export function isHelperName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)
}

/**
 * Asks one helper for one server, without a shell. It gets the environment of this process, since helpers of clouds find their own credentials
 * there, but for our inputs and token. A helper that is not there, fails, is too slow or says too much has no credentials.
 */
export async function askCredentialHelper(
  name: string,
  server: string,
  environment: Readonly<Record<string, string | undefined>>,
  { timeoutMs = 30_000 }: HelperLimits = {},
): Promise<RegistryCredential | NoHelperAnswer> {
  const none = (fault: string): NoHelperAnswer => ({ kind: 'none', fault })
  const env = Object.fromEntries(
    Object.entries(environment).filter(([key]) => !key.startsWith('INPUT_') && key !== 'GITOPS_TOKEN'),
  )
  const output = await new Promise<string | NoHelperAnswer>(resolve => {
    const helper = spawn(`docker-credential-${name}`, ['get'], { env, stdio: ['pipe', 'pipe', 'ignore'], shell: false })
    const stop = (fault: string): void => {
      clearTimeout(timer)
      resolve(none(fault))
      helper.kill('SIGKILL')
      helper.stdout.destroy()
    }
    const timer = setTimeout(() => stop(`no answer after ${timeoutMs / 1000} s`), timeoutMs)
    const chunks: Buffer[] = []
    let size = 0
    helper.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > answerCeiling) stop(`more than ${answerCeiling} bytes`)
      else chunks.push(chunk)
    })
    helper.on('error', error => stop((error as NodeJS.ErrnoException).code ?? 'an error'))
    helper.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve(code === 0 ? Buffer.concat(chunks).toString('utf8') : none(signal ?? `exit code ${code}`))
    })
    // one that ends without reading closes the pipe
    helper.stdin.on('error', () => undefined)
    helper.stdin.end(`${server}\n`)
  })
  return typeof output === 'string' ? (credentialOf(output) ?? none('an answer without credentials')) : output
}

function credentialOf(output: string): RegistryCredential | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(output)
  } catch {
    return undefined
  }
  if (typeof answer !== 'object' || answer === null) return undefined
  const { Username: username, Secret: secret } = answer as Record<string, unknown>
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return undefined
  return username === '<token>'
    ? { kind: 'identity-token', username, identityToken: secret }
    : { kind: 'password', username, password: secret }
}
