import { isObject, tryParseJson } from "../domain/json.ts";
import type { ApiClient } from "./client.ts";
import { METADATA_ACCEPT, withKind } from "./list.ts";
import { isKubeObject, numberAt } from "./objects.ts";
import type { Selection, WatchEvent } from "./port.ts";
import { statusError } from "./status-error.ts";
import { WireFailure } from "./wire.ts";

/**
 * The server ends a watch after so many seconds up to twice as many; a fresh one goes on from the last version. At
 * random, so that the watches of many programs do not all begin anew at once.
 */
const SERVER_SECONDS = 300;
/** Bookmarks come about once a minute: longer silence means that the connection is dead. Milliseconds. */
const SILENCE_MS = 100_000;
const MAX_LINE = 32 * 1024 * 1024;
const TYPES: ReadonlySet<string> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

/** One watch. */
export interface WatchRequest {
  /** Of the collection. */
  readonly path: string;
  readonly selection: Selection;
  readonly resourceVersion: string;
  readonly opened?: (() => void) | undefined;
  /** Milliseconds of silence after which the connection is taken for dead; 100 s when absent. */
  readonly silenceMs?: number;
}

/** One watch request as events: see `KubePort.watch`. */
export async function* watchEvents(
  client: ApiClient,
  request: WatchRequest,
  signal?: AbortSignal,
): AsyncGenerator<WatchEvent> {
  const { path, selection, resourceVersion, silenceMs: idleMs = SILENCE_MS } = request;
  const { labelSelector, fieldSelector } = selection;
  const query = {
    watch: "true",
    allowWatchBookmarks: "true",
    timeoutSeconds: String(Math.round(SERVER_SECONDS * (1 + Math.random()))),
    resourceVersion,
    labelSelector,
    fieldSelector,
  };
  const intent = { ...selection, verb: "watch" };
  const accept = selection.metadataOnly === true ? { accept: METADATA_ACCEPT.watch } : {};
  const body = await client.stream({ method: "GET", path, query, intent, idleMs, ...accept }, signal);
  request.opened?.();
  for await (const line of lines(body)) {
    const event = tryParseJson(line);
    if (!isObject(event)) continue;
    const { type, object } = event;
    if (type === "ERROR") {
      const status = numberAt(object, ["code"], 500);
      throw statusError({ status, text: JSON.stringify(object) }, intent, client.source.server);
    }
    const whole = withKind(object, selection);
    if (typeof type === "string" && TYPES.has(type) && isKubeObject(whole)) {
      yield { type: type as WatchEvent["type"], object: whole };
    }
  }
}

/** Lines of a stream; a connection that breaks ends them, the caller goes on from the last version. */
async function* lines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of body) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      if (rest.length > MAX_LINE) throw new WireFailure(new Error("a watch line is too long"), false);
      yield* parts;
    }
  } catch (error) {
    if (!(error instanceof WireFailure)) throw error;
  }
}
