import { WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { type ImageReference, parseImageReference } from "../domain/image-reference.ts";

/** Asks a server for its images. */
export interface PublishedRequest {
  /** `host[:port]`. */
  readonly server: string;
  /** Only repositories whose name holds this text. */
  readonly search?: string | undefined;
}

/** One published image. */
interface PublishedImage {
  readonly reference: string;
  /** `host/repository`. */
  readonly name: string;
  readonly tag: string;
}

/** What the server has, sorted by name and tag. */
export interface PublishedResult {
  readonly server: string;
  readonly images: readonly PublishedImage[];
}

/** What the registry client offers for this. */
export interface PublishedRegistry {
  /** Names of all repositories; `undefined` when the server does not tell them. */
  catalog(host: string, signal?: AbortSignal): Promise<readonly string[] | undefined>;
  repository(reference: ImageReference): {
    /** `undefined` when there is no such repository. */
    tags(signal?: AbortSignal): Promise<readonly string[] | undefined>;
  };
}

/**
 * Lists what a registry has: its catalogue, and the tags of each repository. Big public registries have no catalogue:
 * `CATALOG_UNSUPPORTED` (failed). A repository that may not be read is left out with a warning.
 */
export async function listPublished(
  deps: { readonly registry: PublishedRegistry; readonly signal?: AbortSignal },
  request: PublishedRequest,
  events: EventSink = ignoreEvents,
): Promise<PublishedResult> {
  const { server, search = "" } = request;
  const names = await deps.registry.catalog(server, deps.signal);
  if (names === undefined) {
    throw new WasmeError("failed", "CATALOG_UNSUPPORTED", `${server} does not list its repositories`, {
      hint: "public registries do not offer it; look on the registry's own web page",
    });
  }
  const wanted = names.filter((name) => name.includes(search)).toSorted();
  const found: (readonly PublishedImage[])[] = [];
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    const batch = wanted.slice(at, at + AT_ONCE);
    found.push(...(await Promise.all(batch.map((name) => tagsOf(deps, server, name, events)))));
  }
  return { server, images: found.flat() };
}

async function tagsOf(
  deps: { readonly registry: PublishedRegistry; readonly signal?: AbortSignal },
  server: string,
  repository: string,
  events: EventSink,
): Promise<readonly PublishedImage[]> {
  const name = `${server}/${repository}`;
  try {
    const tags = await deps.registry.repository(parseImageReference(name)).tags(deps.signal);
    return (tags ?? []).toSorted().map((tag) => ({ reference: `${name}:${tag}`, name, tag }));
  } catch (error) {
    if (!(error instanceof WasmeError) || (error.kind !== "unauthorised" && error.kind !== "usage")) throw error;
    events({ type: "warning", message: `${name} is left out: ${error.message}` });
    return [];
  }
}

const AT_ONCE = 4;
