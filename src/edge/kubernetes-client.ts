// Where a cluster is and how to show who asks: kubeconfig files and service accounts, by @kubernetes/client-node. Bundled as dist/kubernetes.js,
// which is loaded only when a cluster is asked.

import type { RequestOptions } from 'node:https'
import { delimiter } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node/dist/config.js'

/** How to reach the cluster. */
export type ClusterAccess =
  | { readonly kind: 'kubeconfig-files'; readonly paths: string }
  | { readonly kind: 'kubeconfig-text'; readonly text: string }
  /** `root` stands before the paths of the service account; tests use it. */
  | { readonly kind: 'in-cluster'; readonly root?: string }

export interface ClusterConnection {
  /** URL of the API server. */
  readonly server: string
  /** ca, cert, key, servername, headers as node:https takes them. */
  readonly options: RequestOptions
  /** A proxy that the kubeconfig names; undefined: that of the environment. */
  readonly proxied: boolean
  readonly unverified: boolean
}

/** What a kubeconfig says that cannot be used; the text is for people. */
export class UnusableKubeconfig extends Error {
  override readonly name = 'UnusableKubeconfig'
}

/** Reads files now: certificates, keys, tokens. Throws UnusableKubeconfig, and what the library and the file system throw. */
export async function connectionOf(access: ClusterAccess): Promise<ClusterConnection> {
  const config = load(access)
  const context = config.getContextObject(config.getCurrentContext())
  if (context === null) throw new UnusableKubeconfig('it has no current-context that is there')
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new UnusableKubeconfig('its context names a cluster that is not there')
  const user = config.getCurrentUser()
  if (user === null) throw new UnusableKubeconfig('its context names a user that is not there')
  if (user.exec !== undefined || (user.authProvider !== undefined && access.kind !== 'in-cluster'))
    throw new UnusableKubeconfig('its user logs in by a program or a plug-in (exec, auth-provider)')
  const options: RequestOptions = {}
  // the library throws for http; the reader refuses it with better words
  if (!cluster.server.startsWith('http:')) await config.applyToHTTPSOptions(options)
  if (!cluster.proxyUrl) delete options.agent
  const proxied = Boolean(cluster.proxyUrl)
  return { server: cluster.server, options, proxied, unverified: cluster.skipTLSVerify === true }
}

function load(access: ClusterAccess): KubeConfig {
  const config = new KubeConfig()
  if (access.kind === 'in-cluster') {
    if (!process.env.KUBERNETES_SERVICE_HOST || !process.env.KUBERNETES_SERVICE_PORT)
      throw new UnusableKubeconfig('this does not run in a pod: KUBERNETES_SERVICE_HOST is not set')
    config.loadFromCluster(access.root)
  } else if (access.kind === 'kubeconfig-text') {
    config.loadFromString(access.text)
  } else {
    // as kubectl reads KUBECONFIG: the first file that says something wins
    const [first = '', ...others] = access.paths.split(delimiter).filter(path => path !== '')
    config.loadFromFile(first)
    for (const path of others) {
      const more = new KubeConfig()
      more.loadFromFile(path)
      config.mergeConfig(more)
    }
  }
  return config
}
