import { digestOf } from "../domain/digest.ts";
import { usageError } from "../domain/errors.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import { isObject } from "../domain/json.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { KubePort } from "../kube/port.ts";
import { findAuth, keysOf, parseAuthFile } from "../registry/auth-file.ts";
import type { Credential } from "../registry/credential.ts";

/** What a Secret holds for one image. */
export interface PullCredential {
  readonly credential: Credential;
  /** A docker config with this credential alone: what the node cache is given. */
  readonly dockerConfig: string;
  /** Whether proxies can read the Secret themselves: they take `kubernetes.io/dockerconfigjson` and nothing else. */
  readonly forProxies: boolean;
  /** Equal for equal credentials; tells nothing about them. */
  readonly fingerprint: string;
}

/**
 * Reads the Secret a FilterDeployment names: a docker config, or the old tool's keys `username` and `password`.
 * Throws `PULL_SECRET_NOT_FOUND` (not-found), `PULL_SECRET_INVALID` (usage), and what the server's refusals are.
 */
export async function readPullSecret(
  port: Pick<KubePort, "get">,
  where: { readonly namespace: string; readonly name: string; readonly image: ImageReference },
  signal?: AbortSignal,
): Promise<PullCredential> {
  const { namespace, name, image } = where;
  const secret = await port.get({ kind: Kinds.secret, namespace, name }, signal);
  const title = `Secret ${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)}`;
  if (secret === undefined) {
    throw usageError("PULL_SECRET_NOT_FOUND", `there is no ${title}`, {
      hint: `kubectl create secret docker-registry ${name} -n ${namespace} --docker-server=${image.host} --docker-username=… --docker-password=…`,
    });
  }
  return credentialIn(secret, image, title);
}

function credentialIn(secret: KubeObject, image: ImageReference, title: string): PullCredential {
  const data = stringMapAt(secret, "data");
  const config = decoded(data[".dockerconfigjson"]);
  if (config !== undefined) return fromDockerConfig(config, image, { title, secret });
  const [username, password] = [decoded(data["username"]), decoded(data["password"])];
  if (username === undefined || password === undefined) {
    const found = Object.keys(data).join(", ");
    throw invalid(
      secret,
      image,
      `${title} holds ${found === "" ? "nothing" : found}: it must be of type kubernetes.io/dockerconfigjson, or hold username and password`,
    );
  }
  const auth = Buffer.from(`${username}:${password}`).toString("base64");
  return credential({ kind: "basic", username, password }, { [image.host]: { auth } }, false);
}

function fromDockerConfig(
  text: string,
  image: ImageReference,
  about: { readonly title: string; readonly secret: KubeObject },
): PullCredential {
  const file = parseAuthFile(text, about.title);
  const found = findAuth(file, image.host, image.repository);
  if (found === undefined) {
    throw invalid(about.secret, image, `${about.title} holds no credentials for ${image.host}`);
  }
  // Keys with a path are for parts of a registry: all that may be meant go along, and the reader picks again.
  const host = image.host.toLowerCase();
  const own = Object.entries(file.auths).filter(
    ([key, value]) =>
      isObject(value) && (keysOf({ [key]: value }, image.host).length > 0 || key.toLowerCase().startsWith(`${host}/`)),
  );
  return credential(found, Object.fromEntries(own), about.secret["type"] === DOCKER_CONFIG);
}

function credential(found: Credential, auths: Readonly<Record<string, unknown>>, forProxies: boolean): PullCredential {
  const dockerConfig = JSON.stringify({ auths });
  return { credential: found, dockerConfig, forProxies, fingerprint: digestOf(dockerConfig) };
}

function decoded(base64: string | undefined): string | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, "base64").toString("utf8");
}

function invalid({ metadata }: KubeObject, { host }: ImageReference, message: string): Error {
  const account = `-n ${metadata.namespace ?? ""} --docker-server=${host} --docker-username=… --docker-password=…`;
  return usageError("PULL_SECRET_INVALID", message, {
    hint: `make another, and name that: kubectl create secret docker-registry NAME ${account}`,
  });
}

const DOCKER_CONFIG = "kubernetes.io/dockerconfigjson";
