/**
 * `wasme/oci`: an OCI registry client that loads no package (but one to run a credential helper). Push, pull and copy of any
 * artifact, with authentication, retries, mounts, referrers and verification (OCI distribution spec 1.1).
 */
export {
  type BodySource,
  bytesSource,
  type Exists,
  type Fetcher,
  type MountSources,
  type Placement,
  type Pusher,
} from "./domain/content.ts";
export { type Descriptor, describe } from "./domain/descriptor.ts";
export { type Digest, digestOf, parseDigest } from "./domain/digest.ts";
export { type ErrorKind, WasmeError } from "./domain/errors.ts";
export type { EventSink, ProgressEvent } from "./domain/events.ts";
export {
  formatReference,
  type ImageReference,
  parseImageReference,
  referenceTarget,
} from "./domain/image-reference.ts";
export { MediaType } from "./domain/media-types.ts";
export { copyArtifact, type CopyArtifactRequest } from "./images/copy-artifact.ts";
export { createRegistryClient, type RegistryClient, type RegistryClientOptions } from "./registry/client.ts";
export type { Credential, CredentialSource } from "./registry/credential.ts";
export { createCredentials, type CredentialDeps } from "./registry/credentials.ts";
export { userCredentials, type UserCredentialsOptions } from "./registry/user-credentials.ts";
export type { FetchedManifest } from "./registry/manifests.ts";
export type { ReferrersOptions } from "./registry/referrers.ts";
export type { Repository } from "./registry/repository.ts";
