// The kubelet of a built image beside the API server that it will join (D9): Kubernetes version skew policy, "kubelet must not be newer than kube-apiserver".

import type { ToolError } from '../errors.ts'
import { type BuiltImage, finding } from './finding.ts'

/** OpenShift 4.y brings Kubernetes 1.(y + 13). */
const kubernetesMinorOfOpenShift = 13
/** Packages that hold the kubelet, and whose versions are OpenShift's or Kubernetes'. */
const kubeletPackages = ['openshift-kubelet', 'openshift-hyperkube', 'kubelet', 'kubernetes-kubelet'] as const

/** Minor version of Kubernetes for a version of OpenShift (4.20.3) or of Kubernetes (1.33.5); undefined for others. */
export function kubernetesMinor(version: string): number | undefined {
  const [, major, minor = ''] = /^v?([14])\.(\d{1,3})(?:[.~^+-]|$)/.exec(version) ?? []
  if (major === undefined) return undefined
  return major === '1' ? Number(minor) : Number(minor) + kubernetesMinorOfOpenShift
}

/**
 * With the cluster's release known, the kubelet is not of a newer minor release. Packages of other version schemes say nothing and are passed over.
 * Fault: KUBELET_TOO_NEW.
 */
export function checkKubelet(image: BuiltImage): ToolError[] {
  const { clusterVersion, built } = image
  const cluster = clusterVersion === undefined ? undefined : kubernetesMinor(clusterVersion)
  if (clusterVersion === undefined || cluster === undefined) return []
  return (built.packages ?? []).flatMap(({ name, evr }) => {
    if (!kubeletPackages.some(one => one === name)) return []
    const minor = kubernetesMinor(evr.version)
    if (minor === undefined || minor <= cluster) return []
    return [
      finding(image, 'KUBELET_TOO_NEW', 'the kubelet of the image is newer than the cluster that it will join', {
        found: `${name} ${evr.version}, Kubernetes 1.${minor}`,
        wanted: `at most Kubernetes 1.${cluster} of cluster ${clusterVersion}`,
      }),
    ]
  })
}
