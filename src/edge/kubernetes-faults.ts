// What a cluster did not answer, or refused, in words that name the object and the right (Kubernetes API concepts; node:tls error codes).

import { ToolError } from '../errors.ts'

/** Where an object is: `{group: 'config.openshift.io', version: 'v1', resource: 'clusterversions', name: 'version'}`. */
export interface ObjectPlace {
  /** '' is the core group. */
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly namespace?: string
  readonly name: string
}

/** The fault of a request that got no answer: network, TLS, or one of ours. */
export function unreachable(cause: Error, url: URL): ToolError {
  if (cause instanceof ToolError) return cause
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
  const where = { where: { source: url.origin }, cause }
  if (code === 'CERT_HAS_EXPIRED')
    return new ToolError('CLUSTER_UNREACHABLE', 'the certificate of the cluster’s API server has expired', {
      found: code,
      ...where,
    })
  if (/^(?:DEPTH_ZERO_|SELF_SIGNED|UNABLE_TO_|CERT_|ERR_TLS_CERT_)/.test(code))
    return new ToolError('CLUSTER_UNREACHABLE', 'the certificate of the cluster’s API server is not trusted', {
      found: code,
      wanted: 'a certificate of the authority that the kubeconfig names, for this host',
      hint: 'certificate-authority-data of the kubeconfig must be the cluster’s own',
      ...where,
    })
  if (/^ERR_SSL_.*_ALERT_/.test(code))
    return new ToolError('CLUSTER_DENIED', 'the cluster does not accept the client certificate', {
      found: code,
      ...where,
    })
  return new ToolError('CLUSTER_UNREACHABLE', 'the cluster does not answer', { found: code, ...where })
}

/** The fault of an answer that is no object. */
export function refusal(
  { status, body }: { readonly status: number; readonly body: Buffer },
  place: ObjectPlace,
  source: string,
): ToolError {
  const found = `status ${status}${messageOf(body)}`
  if (status === 401)
    return new ToolError('CLUSTER_DENIED', 'the cluster does not accept the credentials', {
      found,
      wanted: 'a token or certificate that is valid now',
      where: { source },
      hint: 'log in again and use the new kubeconfig',
    })
  if (status === 403)
    return new ToolError('CLUSTER_DENIED', 'the credentials may not read an object of the cluster', {
      found,
      wanted: `the right to get ${rightOf(place)}`,
      where: { source },
      hint: 'docs/permissions.md has a ClusterRole with all that is read',
    })
  return new ToolError('CLUSTER_UNREACHABLE', 'the cluster answers with an error', { found, where: { source } })
}

/** `message` of a Status (kubernetes apimachinery meta/v1). */
function messageOf(body: Buffer): string {
  try {
    const status: unknown = JSON.parse(body.toString('utf8'))
    const message = typeof status === 'object' && status !== null && 'message' in status ? status.message : undefined
    return typeof message === 'string' ? `: ${message.slice(0, 300)}` : ''
  } catch {
    return ''
  }
}

function rightOf({ group, resource, name, namespace }: ObjectPlace): string {
  const inNamespace = namespace === undefined ? '' : ` in namespace ${namespace}`
  return `${resource}${group === '' ? '' : `.${group}`}, name ${name}${inNamespace}`
}

/** `configmaps/machine-config-osimageurl`. */
export function nameOf({ resource, name }: ObjectPlace): string {
  return `${resource}/${name}`
}
