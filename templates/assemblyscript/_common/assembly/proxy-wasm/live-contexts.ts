import { Registration } from "./registry";
import { RootContext } from "./root-context";
import { StreamContext } from "./stream-context";

/** A root context that the proxy knows, and what its streams are made by. */
// @ts-ignore: decorator
@final
class LiveRoot {
  constructor(
    readonly context: RootContext,
    readonly registration: Registration,
  ) {}
}

const roots: Map<u32, LiveRoot> = new Map();

/** The root that made the last stream: proxies create many streams of one root in a row. */
let lastRootId: u32 = 0;
let lastRoot: LiveRoot | null = null;

/** Streams other than the newest. */
const olderStreams: Map<u32, StreamContext> = new Map();

/** The newest stream, id 0 for none: under little load it is the only one, and the map is never touched. */
let newestId: u32 = 0;
let newest: StreamContext | null = null;

export function addRoot(id: u32, rootId: string, registration: Registration): void {
  roots.set(id, new LiveRoot(registration.createRoot(id, rootId), registration));
}

export function findRoot(id: u32): RootContext | null {
  const live = findLiveRoot(id);
  return live ? live.context : null;
}

/** Makes the stream's context; nothing if its root is unknown. */
export function addStream(id: u32, rootContextId: u32): void {
  const live = findLiveRoot(rootContextId);
  if (!live) return;
  const previous = newest;
  if (previous) olderStreams.set(newestId, previous);
  newest = live.registration.createStream(id, live.context);
  newestId = id;
}

/** The stream, or `null`: some callbacks come for root contexts too, and some for streams that trapped. */
// @ts-ignore: decorator
@inline
export function findStream(id: u32): StreamContext | null {
  return id == newestId ? newest : findOlderStream(id);
}

/** Forgets a context, so that its memory can be used again. */
export function removeContext(id: u32): void {
  if (id == newestId) {
    newestId = 0;
    newest = null;
  } else if (!olderStreams.delete(id) && roots.delete(id)) {
    lastRootId = 0;
    lastRoot = null;
  }
}

function findOlderStream(id: u32): StreamContext | null {
  return olderStreams.has(id) ? olderStreams.get(id) : null;
}

function findLiveRoot(id: u32): LiveRoot | null {
  if (id == lastRootId) return lastRoot;
  if (!roots.has(id)) return null;
  lastRoot = roots.get(id);
  lastRootId = id;
  return lastRoot;
}
