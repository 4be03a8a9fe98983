// Objects of a cluster as its API server gives them: kinds of openshift/api (config/v1, machineconfiguration/v1) and core/v1.

const meta = (name: string, more: object = {}) => ({
  name,
  uid: '3f6b1c1e-0000-4000-8000-000000000001',
  resourceVersion: '123456',
  generation: 2,
  creationTimestamp: '2026-01-02T03:04:05Z',
  ...more,
})
const machineConfiguration = { apiVersion: 'machineconfiguration.openshift.io/v1' }

export const nodeImage = (digit: string): string =>
  `quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:${digit.repeat(64)}`
export const clusterId = '9d1f6c4e-51a7-4c1f-8a0a-6a0d1d3a7c55'

export const clusterVersion = (version = '4.20.3', id = clusterId) => ({
  apiVersion: 'config.openshift.io/v1',
  kind: 'ClusterVersion',
  metadata: meta('version'),
  spec: { channel: 'stable-4.20', clusterID: id },
  status: {
    desired: { version, image: `quay.io/openshift-release-dev/ocp-release@sha256:${'0'.repeat(64)}` },
    history: [{ state: 'Completed', version, verified: true }],
    observedGeneration: 2,
    versionHash: 'abc=',
    availableUpdates: null,
  },
})

/** Stream → image. */
export const imageStream = (streams: Readonly<Record<string, string>>, defaultStream = 'rhel-9') => ({
  ...machineConfiguration,
  kind: 'OSImageStream',
  metadata: meta('cluster'),
  spec: { defaultStream },
  status: {
    defaultStream,
    availableStreams: Object.entries(streams).map(([name, osImage]) => ({
      name,
      osImage,
      osExtensionsImage: nodeImage('e'),
    })),
  },
})

export const imageConfigMap = (image: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: meta('machine-config-osimageurl', { namespace: 'openshift-machine-config-operator' }),
  data: {
    baseOSContainerImage: image,
    baseOSExtensionsContainerImage: nodeImage('e'),
    osImageURL: '',
    releaseVersion: '4.20.3',
  },
})

export const pool = (name: string, rendered = `rendered-${name}-0a1b`, stream?: string) => ({
  ...machineConfiguration,
  kind: 'MachineConfigPool',
  metadata: meta(name),
  spec: {
    configuration: { name: rendered },
    machineConfigSelector: { matchLabels: { 'machineconfiguration.openshift.io/role': name } },
    nodeSelector: { matchLabels: { [`node-role.kubernetes.io/${name}`]: '' } },
    paused: false,
    ...(stream === undefined ? {} : { osImageStream: { name: stream } }),
  },
})

export const renderedConfig = (name: string, image: string, overridden = false) => ({
  ...machineConfiguration,
  kind: 'MachineConfig',
  metadata: meta(name, {
    annotations: {
      'machineconfiguration.openshift.io/generated-by-controller-version': 'abc',
      'machineconfiguration.openshift.io/release-image-version': '4.20.3',
      ...(overridden ? { 'machineconfiguration.openshift.io/os-image-url-overridden': 'true' } : {}),
    },
  }),
  spec: {
    config: { ignition: { version: '3.5.0' } },
    extensions: [],
    fips: false,
    kernelArguments: [],
    kernelType: 'default',
    osImageURL: image,
  },
})
