import { isObject, tryParseJson } from "../domain/json.ts";
import type { ApiClient } from "./client.ts";
import { isKubeObject, numberAt } from "./objects.ts";
import type { Selection, WatchEvent } from "./port.ts";
import { statusError } from "./status-error.ts";
import { WireFailure } from "./wire.ts";

/** The server ends a watch after this many seconds; a fresh one goes on from the last version. */
const SERVER_SECONDS = 300;
/** Bookmarks come about once a minute: longer silence means that the connection is dead. Milliseconds. */
const SILENCE_MS = 100_000;
const MAX_LINE = 32 * 1024 * 1024;
const TYPES: ReadonlySet<string> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

/** One watch request as events: see `KubePort.watch`. */
export async function* watchEvents(
  client: ApiClient,
  path: string,
  selection: Selection,
  resourceVersion: string,
  signal?: AbortSignal,
): AsyncGenerator<WatchEvent> {
  const { labelSelector, fieldSelector } = selection;
  const query = {
    watch: "true",
    allowWatchBookmarks: "true",
    timeoutSeconds: String(SERVER_SECONDS),
    resourceVersion,
    labelSelector,
    fieldSelector,
  };
  const intent = { ...selection, verb: "watch" };
  const body = await client.stream({ method: "GET", path, query, intent, idleMs: SILENCE_MS }, signal);
  for await (const line of lines(body)) {
    const event = tryParseJson(line);
    if (!isObject(event)) continue;
    const { type, object } = event;
    if (type === "ERROR") {
      const status = numberAt(object, ["code"], 500);
      throw statusError({ status, text: JSON.stringify(object) }, intent, client.source.server);
    }
    if (typeof type === "string" && TYPES.has(type) && isKubeObject(object)) {
      yield { type: type as WatchEvent["type"], object };
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
