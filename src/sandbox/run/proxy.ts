import type { WorkerEnd } from "../../isolate/guest-worker.ts";
import type { Downstream, DownstreamEvents, RequestHead, Upstream } from "./http-side.ts";
import { ProxiedStream } from "./proxied-stream.ts";
import type { RunEngine } from "./run-engine.ts";
import type { StreamObserver } from "./stream-observer.ts";

/** What a proxy does with the streams it is given. */
export interface ProxyOptions {
  readonly upstream: Upstream;
  /** Milliseconds from the end of a request until the end of its response; 0 waits for ever. */
  readonly timeoutMs: number;
  readonly observe: (head: RequestHead) => StreamObserver;
  /** Makes an engine like the last one, in the place of one that ended while it served. */
  readonly replace: () => RunEngine;
  /** An engine ended by itself; `open` streams were answered for it. */
  readonly onEnd: (end: WorkerEnd, open: number) => void;
  /** The engine in the place of another did not start: everything is answered 503 until there is a new one. */
  readonly onBroken: (message: string) => void;
}

/** Streams go to the engine of the moment; those under way stay with theirs. */
export class Proxy {
  readonly #options: ProxyOptions;
  #engine: RunEngine | undefined;
  #stopped = false;
  /** Engines that end their last streams. */
  readonly #leaving = new Set<RunEngine>();

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  /** Sends new streams to this engine from now on; the one before it ends with its last stream. */
  use(engine: RunEngine): void {
    const before = this.#engine;
    this.#engine = engine;
    void this.#watch(engine);
    if (before === undefined) return;
    this.#leaving.add(before);
    this.#letGo(before);
  }

  /** Takes a request. */
  accept(head: RequestHead, client: Downstream): DownstreamEvents {
    const observer = this.#options.observe(head);
    const engine = this.#engine;
    if (engine === undefined) return refuse({ head, client, observer });
    const { upstream, timeoutMs } = this.#options;
    return new ProxiedStream(head, client, {
      link: engine.link,
      upstream,
      timeoutMs,
      observer,
      onOver: () => {
        if (this.#leaving.has(engine)) this.#letGo(engine);
      },
    });
  }

  /** Ends all engines. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const engines = [...this.#leaving, ...(this.#engine === undefined ? [] : [this.#engine])];
    await Promise.all(engines.map((engine) => engine.stop()));
  }

  #letGo(engine: RunEngine): void {
    if (engine.link.openStreams > 0) return;
    this.#leaving.delete(engine);
    void engine.stop();
  }

  async #watch(engine: RunEngine): Promise<void> {
    const end = await engine.ended;
    this.#leaving.delete(engine);
    const open = engine.link.streams;
    if (end.reason !== "stopped" && this.#engine === engine && !this.#stopped) await this.#replace(engine);
    for (const stream of open) stream.abandon(end.reason);
    if (end.reason !== "stopped") this.#options.onEnd(end, open.length);
  }

  /** Another engine takes over, unless not even the start went well. */
  async #replace(engine: RunEngine): Promise<void> {
    const { started } = await engine.start;
    if (!started) {
      this.#engine = undefined;
      return;
    }
    const next = this.#options.replace();
    this.#engine = next;
    void this.#watch(next);
    void next.start.then((start) => {
      if (start.started || this.#engine !== next) return;
      this.#engine = undefined;
      for (const stream of next.link.streams) stream.abandon("crashed");
      this.#options.onBroken(start.message);
      void next.stop();
    });
  }
}

interface Refused {
  readonly head: RequestHead;
  readonly client: Downstream;
  readonly observer: StreamObserver;
}

/** There is no filter: Envoy's answer when one could not be had. */
function refuse({ head, client, observer }: Refused): DownstreamEvents {
  observer.request(head.headers, head.end);
  const headers = [":status", "503", "content-length", "0"];
  observer.response(headers, true);
  client.headers(headers, true);
  observer.ended({ code: 503, details: "wasm_fail_stream", flags: 0, pausedIn: undefined });
  const ignore = (): void => undefined;
  return { data: ignore, trailers: ignore, drained: ignore, gone: ignore };
}
