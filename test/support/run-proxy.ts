import { randomFillSync } from "node:crypto";
import { onTestFinished } from "vitest";
import type { HttpFilter, HttpFilterCallbacks, HttpFilterFactory } from "../../src/host/http-filter.ts";
import type { WorkerEnd } from "../../src/isolate/guest-worker.ts";
import { AccessObserver, type AccessRecord } from "../../src/sandbox/run/access-observer.ts";
import { CoreCallouts } from "../../src/sandbox/run/core-callouts.ts";
import { CoreLink } from "../../src/sandbox/run/core-link.ts";
import { echoService } from "../../src/sandbox/run/echo-service.ts";
import type { Upstream } from "../../src/sandbox/run/http-side.ts";
import { startListener } from "../../src/sandbox/run/listener.ts";
import { Proxy } from "../../src/sandbox/run/proxy.ts";
import { RunCore } from "../../src/sandbox/run/run-core.ts";
import type { RunEngine } from "../../src/sandbox/run/run-engine.ts";

/** A filter that does nothing; `over` changes it. */
export function passThrough(
  over: (callbacks: () => HttpFilterCallbacks) => Partial<HttpFilter> = () => ({}),
): HttpFilterFactory {
  return {
    name: "pass",
    createHttpFilter: () => {
      let callbacks: HttpFilterCallbacks | undefined;
      const own = over(() => {
        if (callbacks === undefined) throw new Error("not attached");
        return callbacks;
      });
      return {
        attach: (given) => void (callbacks = given),
        decodeHeaders: () => "continue",
        decodeData: () => "continue",
        decodeTrailers: () => "continue",
        decodeMetadata: () => undefined,
        encodeHeaders: () => "continue",
        encodeData: () => "continue",
        encodeTrailers: () => "continue",
        encodeMetadata: () => undefined,
        log: () => undefined,
        destroy: () => undefined,
        ...own,
      };
    },
  };
}

/** An engine without a thread, around filters written here. `stop` and `die` end it. */
export function localEngine(filters: readonly HttpFilterFactory[]): RunEngine & { die(): void } {
  let end: (end: WorkerEnd) => void = () => undefined;
  const ended = new Promise<WorkerEnd>((resolve) => (end = resolve));
  let dead = false;
  const core = new RunCore({
    filters,
    clock: { now: () => BigInt(Date.now()) * 1_000_000n, monotonic: () => process.hrtime.bigint() },
    random: (target) => void randomFillSync(target),
    // Through the structured clone that threads use: what cannot be posted fails here, too.
    post: (batch, transfer) => {
      const copy = structuredClone(batch, { transfer });
      setImmediate(() => {
        if (!dead) link.receive(copy);
      });
    },
    settle: () => 0,
    callouts: new CoreCallouts([]),
    properties: new Map(),
    upstreamAddress: "127.0.0.1:1",
  });
  const link: CoreLink = new CoreLink(
    (batch, transfer) => {
      const copy = structuredClone(batch, { transfer });
      setImmediate(() => {
        if (!dead) core.handle(copy);
      });
    },
    {
      callout: () => undefined,
      cancelCallout: () => undefined,
      grpcOpen: () => undefined,
      grpcSend: () => undefined,
      grpcClose: () => undefined,
      grpcCancel: () => undefined,
      log: () => undefined,
      report: () => undefined,
    },
  );
  const over = (reason: WorkerEnd): void => {
    dead = true;
    end(reason);
  };
  return {
    link,
    start: Promise.resolve({ started: true }),
    ended,
    stop: async () => over({ reason: "stopped", message: "stopped" }),
    die: () => over({ reason: "stuck", message: "stuck" }),
  };
}

/** How a proxy of a test is set up. */
export interface TestProxyOptions {
  readonly filters?: readonly HttpFilterFactory[];
  readonly upstream?: Upstream;
  readonly timeoutMs?: number;
}

/** A listener on a free port before filters written in TypeScript; ended with the test. */
export async function startTestProxy(options: TestProxyOptions = {}): Promise<{
  readonly url: string;
  readonly port: number;
  readonly proxy: Proxy;
  readonly engine: RunEngine & { die(): void };
  readonly access: AccessRecord[];
  readonly problems: string[];
  close(graceMs: number): Promise<void>;
}> {
  const access: AccessRecord[] = [];
  const problems: string[] = [];
  const filters = options.filters ?? [passThrough()];
  const proxy = new Proxy({
    upstream: options.upstream ?? echoService,
    timeoutMs: options.timeoutMs ?? 0,
    observe: (head) =>
      new AccessObserver(
        head.protocol,
        (record) => void access.push(record),
        (problem) => void problems.push(problem),
      ),
    replace: () => localEngine(filters),
    onEnd: () => undefined,
    onBroken: () => undefined,
  });
  const engine = localEngine(filters);
  proxy.use(engine);
  const listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    onRequest: (head, client) => proxy.accept(head, client),
  });
  onTestFinished(async () => {
    await listener.close(0);
    await proxy.stop();
  });
  const port = Number(listener.address.split(":")[1]);
  return {
    url: `http://${listener.address}`,
    port,
    proxy,
    engine,
    access,
    problems,
    close: (ms) => listener.close(ms),
  };
}
