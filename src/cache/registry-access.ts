import { digestOf } from "../domain/digest.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import type { RemoteRepository } from "../images/remote.ts";
import { findAuth, parseAuthFile } from "../registry/auth-file.ts";
import type { RegistryClient } from "../registry/client.ts";
import type { CredentialSource } from "../registry/credential.ts";

/** How registries are reached. */
export interface RegistryAccessDeps {
  /** The cache's own credentials, for all images; read anew whenever a registry asks. */
  readonly common: CredentialSource;
  /** Makes a client; every one has its own connections and tokens. */
  readonly createClient: (credentials: CredentialSource) => RegistryClient;
}

/** A repository, and whether it wanted to know who we are. */
export interface OpenRepository {
  readonly repository: RemoteRepository;
  readonly usedCredential: () => boolean;
}

/**
 * Clients by pull secret: tokens got with one secret are never used for an image of another. A secret that changed is
 * another one. A client that is dropped is not closed: a pull may be in the middle of it, and idle connections end by
 * themselves.
 */
export class RegistryAccess {
  readonly #deps: RegistryAccessDeps;
  readonly #known = new Map<string, RegistryClient>();

  constructor(deps: RegistryAccessDeps) {
    this.#deps = deps;
  }

  /** How many clients there are. */
  get count(): number {
    return this.#known.size;
  }

  /**
   * Opens a repository with the docker configuration `secret` first, then with the cache's own. Throws
   * `AUTH_FILE_INVALID` (usage) for a secret that cannot be read.
   */
  open(reference: ImageReference, secret: string | undefined): OpenRepository {
    const key = keyOf(secret);
    const client = this.#known.get(key) ?? this.#create(key, secret);
    return { repository: client.repository(reference), usedCredential: () => client.handedOver(reference) };
  }

  /** Forgets tokens and credentials that were refused: the next try asks for them anew. */
  forget(secret: string | undefined): void {
    this.#known.delete(keyOf(secret));
  }

  /** Forgets what belongs to other secrets than these: secrets that are renewed every few hours would pile up. */
  keep(secrets: Iterable<string>): void {
    const keys = new Set([keyOf(undefined), ...[...secrets].map(keyOf)]);
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key);
  }

  close(): void {
    for (const client of this.#known.values()) client.close();
    this.#known.clear();
  }

  #create(key: string, secret: string | undefined): RegistryClient {
    const own = secret === undefined ? undefined : parseAuthFile(secret, "the pull secret");
    const client = this.#deps.createClient(async (host, repository) => {
      const found = own === undefined ? undefined : findAuth(own, host, repository);
      return found ?? (await this.#deps.common(host, repository));
    });
    this.#known.set(key, client);
    return client;
  }
}

function keyOf(secret: string | undefined): string {
  return secret === undefined ? "" : digestOf(secret);
}
