// Media types of images: OCI image-spec 1.1 media-types.md, and Docker image manifest version 2, schema 2.

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
export const dockerManifestList = 'application/vnd.docker.distribution.manifest.list.v2+json'

/** What a pull accepts, best first. */
export const acceptedManifests: readonly string[] = [ociManifest, ociIndex, dockerManifest, dockerManifestList]
