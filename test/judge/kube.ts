import { readFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";

/** The part of an object that all have. */
export interface KubeObject {
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly generation?: number;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
  };
  readonly [field: string]: unknown;
}

/** How to ask the API server. */
export interface ApiAddress {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}

/** Reads the current context of a kubeconfig with a token and an inline authority. */
export async function readAddress(file: string): Promise<ApiAddress> {
  const config = parse(await readFile(file, "utf8")) as {
    clusters: { cluster: { server: string; "certificate-authority-data": string } }[];
    users: { user: { token: string } }[];
  };
  const [cluster] = config.clusters;
  const [user] = config.users;
  if (cluster === undefined || user === undefined) throw new Error(`${file} names no cluster and user`);
  const ca = Buffer.from(cluster.cluster["certificate-authority-data"], "base64").toString();
  return { server: cluster.cluster.server, ca, token: user.user.token };
}

/** What a watcher tells: the object as it is now, or as it was when it went. */
export interface WatchHandler {
  changed(object: KubeObject): void;
  gone(object: KubeObject): void;
}

/**
 * Follows all objects under a path (`/api/v1/pods`) until the signal: lists, watches, lists anew when the watch is too
 * old, and tries on after any failure. The returned promise is fulfilled once the first list was handed on.
 */
export function watchAll(
  address: ApiAddress,
  path: string,
  handler: WatchHandler,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const known = new Map<string, KubeObject>();
  return new Promise((resolve) => {
    void (async () => {
      while (!signal.aborted) {
        try {
          let version = await relist({ ...address, signal }, path, known, handler);
          resolve();
          while (version !== "") version = await watchOnce({ ...address, signal }, path, { version, known, handler });
        } catch {
          await sleep(100);
        }
      }
    })();
  });
}

const agent = new Agent({ keepAlive: true });

type Connection = ApiAddress & { readonly signal: AbortSignal };

async function relist(
  address: Connection,
  path: string,
  known: Map<string, KubeObject>,
  handler: WatchHandler,
): Promise<string> {
  const found = new Map<string, KubeObject>();
  let version = "";
  for (let next = ""; ;) {
    const lines: string[] = [];
    const status = await stream(address, `${path}?limit=500&continue=${encodeURIComponent(next)}`, (text) =>
      lines.push(text),
    );
    if (status !== 200) throw new Error(`list ${path}: ${status}`);
    const list = JSON.parse(lines.join("")) as {
      items: KubeObject[];
      metadata: { resourceVersion: string; continue?: string };
    };
    for (const item of list.items) found.set(item.metadata.uid, item);
    version = list.metadata.resourceVersion;
    next = list.metadata.continue ?? "";
    if (next === "") break;
  }
  for (const [uid, object] of known) {
    if (!found.has(uid)) handler.gone(object);
  }
  known.clear();
  for (const [uid, object] of found) {
    known.set(uid, object);
    handler.changed(object);
  }
  return version;
}

/** Follows until the server ends the watch; returns where to go on, or nothing when the list must be read again. */
async function watchOnce(
  address: Connection,
  path: string,
  state: { readonly version: string; readonly known: Map<string, KubeObject>; readonly handler: WatchHandler },
): Promise<string> {
  const { known, handler } = state;
  let version = state.version;
  let rest = "";
  const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=${version}`;
  const status = await stream(address, `${path}?${query}`, (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { type, object } = JSON.parse(line) as { type: string; object: KubeObject };
      if (type === "ERROR") {
        version = "";
        continue;
      }
      if (version !== "") version = object.metadata.resourceVersion;
      if (type === "BOOKMARK") continue;
      if (type === "DELETED") {
        known.delete(object.metadata.uid);
        handler.gone(object);
      } else {
        known.set(object.metadata.uid, object);
        handler.changed(object);
      }
    }
  });
  return status === 200 ? version : "";
}

/** One request; every piece of text of a good answer goes to `onText`. Throws when the connection breaks. */
function stream(address: Connection, path: string, onText: (text: string) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const { ca, signal } = address;
    const headers = { authorization: `Bearer ${address.token}`, accept: "application/json" };
    const outgoing = request(address.server + path, { headers, ca, agent, signal }, (incoming) => {
      incoming.setEncoding("utf8").on("data", (text: string) => incoming.statusCode === 200 && onText(text));
      incoming.on("error", reject);
      incoming.on("end", () => resolve(incoming.statusCode ?? 0));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}
