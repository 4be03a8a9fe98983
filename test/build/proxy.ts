// A forward proxy (RFC 9110 §9.3.6 CONNECT, RFC 9112 §3.2.2 absolute form): one place behind it, whatever name is asked for.

import { createServer, request as requestHttp, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'

export interface TestProxy {
  readonly url: string
  /** `CONNECT host:port` and `GET http://…`, in order. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

export interface ProxyOptions {
  /** Where it listens; default loopback. */
  readonly address?: string
  /** Plain http only: each piece of a body waits this long. */
  readonly pauseMs?: number
}

/** Passes everything on to `port` of 127.0.0.1. */
export async function startProxy(
  port: number,
  { address = '127.0.0.1', pauseMs = 0 }: ProxyOptions = {},
): Promise<TestProxy> {
  const requests: string[] = []
  const tunnels = new Set<Socket>()
  const server: Server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    const { pathname, search } = new URL(request.url ?? '')
    const options = { port, host: '127.0.0.1', method: request.method ?? 'GET', path: pathname + search }
    const onward = requestHttp({ ...options, headers: request.headers }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      pipeline(answer, slowed(pauseMs), response).catch(() => undefined)
    })
    request.pipe(onward)
  })
  server.on('connect', (request, socket: Socket) => {
    requests.push(`CONNECT ${request.url}`)
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    for (const end of [socket, onward]) {
      tunnels.add(end)
      end.on('error', () => undefined)
    }
  })
  await new Promise<void>(resolve => server.listen(0, address, resolve))
  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      for (const tunnel of tunnels) tunnel.destroy()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function slowed(pauseMs: number) {
  return async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      if (pauseMs > 0) await wait(pauseMs)
      yield chunk
    }
  }
}
