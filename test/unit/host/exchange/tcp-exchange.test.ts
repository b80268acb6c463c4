import { array, assert, constantFrom, property, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import type { BodyBuffer } from "../../../../src/host/body-buffer.ts";
import { TcpExchange } from "../../../../src/host/exchange/tcp-exchange.ts";
import type {
  ClosedBy,
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkStatus,
} from "../../../../src/host/network-filter.ts";
import { bytes, text } from "./stage.ts";

describe("a TCP connection", () => {
  test("goes through filters in order, answers in reverse; the client that closes last closes it", () => {
    const { exchange, events } = stage({ a: {}, b: {} });
    exchange.connected();
    exchange.upstreamConnected();
    exchange.downstreamData(bytes("abc"), false);
    exchange.upstreamData(bytes("xyz"), false);
    exchange.upstreamData(bytes(""), true);
    exchange.downstreamData(bytes(""), true);
    expect(events).toEqual(
      [
        ["a:new", "b:new", "up open", "a:down abc", "b:down abc", "up data abc"],
        ["b:up xyz", "a:up xyz", "down data xyz", "b:up  eos", "a:up  eos", "down data  eos"],
        ["a:down  eos", "b:down  eos", "up data  eos"],
        ["a:closed remote", "a:destroy", "b:closed remote", "b:destroy", "up close"],
      ].flat(),
    );
    expect(exchange.ended).toBe(true);
  });

  test("the server that closes last closes it from here", () => {
    const { exchange, events } = opened({ a: {} });
    exchange.downstreamData(bytes("q"), true);
    exchange.upstreamData(bytes("p"), true);
    expect(events.slice(-4)).toEqual(["down data p eos", "a:closed local", "a:destroy", "up close"]);
  });

  test("data that was stopped comes again with what follows", () => {
    const answers: NetworkStatus[] = ["stop-iteration", "stop-iteration"];
    const { exchange, events } = opened({ a: { down: () => answers.shift() }, b: {} });
    for (const piece of ["abc", "def", "ghi"]) exchange.downstreamData(bytes(piece), false);
    expect(events.slice(3)).toEqual([
      "a:down abc",
      "a:down abcdef",
      "a:down abcdefghi",
      "b:down abcdefghi",
      "up data abcdefghi",
    ]);
  });

  test("answers too; a changed buffer is what goes on", () => {
    const answers: NetworkStatus[] = ["stop-iteration"];
    const { exchange, events } = opened({
      a: {
        up: (data) => {
          data.drain(1);
          return answers.shift();
        },
      },
    });
    exchange.upstreamData(bytes("abc"), false);
    exchange.upstreamData(bytes("def"), false);
    expect(events.slice(2)).toEqual(["a:up abc", "a:up bcdef", "down data cdef"]);
  });

  test("a stopped connection is not opened until it is continued; data waits", () => {
    const on = stage({ a: { opened: () => "stop-iteration" }, b: {} });
    on.exchange.connected();
    on.exchange.downstreamData(bytes("abc"), false);
    expect(on.events).toEqual(["a:new"]);
    of(on).continueReading();
    expect(on.events.slice(1)).toEqual(["b:new", "up open"]);
    on.exchange.upstreamConnected();
    expect(on.events.slice(3)).toEqual(["a:down abc", "b:down abc", "up data abc"]);
  });

  test("continue sends what was held from the next filter on", () => {
    const on = opened({ a: { down: () => "stop-iteration" }, b: {} });
    on.exchange.downstreamData(bytes("abc"), false);
    of(on).continueReading();
    expect(on.events.slice(4)).toEqual(["b:down abc", "up data abc"]);
    const back = opened({ a: {}, b: { up: () => "stop-iteration" } });
    back.exchange.upstreamData(bytes("abc"), false);
    of(back, "b").continueWriting();
    expect(back.events.slice(-2)).toEqual(["a:up abc", "down data abc"]);
  });

  test("an end that was told is not told again", () => {
    const on = opened({ a: {}, b: {} });
    on.exchange.downstreamData(bytes(""), true);
    const before = on.events.length;
    of(on).continueReading();
    of(on, "b").continueWriting();
    on.exchange.downstreamData(bytes("late"), true);
    expect(on.events.length).toBe(before);
  });

  test("a filter closes it: nothing more is asked or sent", () => {
    const on = opened({ a: { down: (_data, callbacks) => callbacks.close() }, b: {} });
    on.exchange.downstreamData(bytes("abc"), false);
    on.exchange.downstreamData(bytes("def"), true);
    on.exchange.upstreamData(bytes("x"), true);
    on.exchange.downstreamClosed();
    of(on).close();
    of(on).continueReading();
    of(on).continueWriting();
    expect(on.events.slice(3)).toEqual(
      [
        ["a:down abc", "down close"],
        ["a:closed local", "a:destroy", "b:closed local", "b:destroy", "up close"],
      ].flat(),
    );
  });

  test("a filter that closes on an answer sends nothing of it", () => {
    const on = opened({ a: { up: () => of(on).close() } });
    on.exchange.upstreamData(bytes("abc"), false);
    expect(on.events.slice(2, 4)).toEqual(["a:up abc", "down close"]);
    expect(on.events).not.toContain("down data abc");
  });

  test("an upstream that is lost closes the client's connection", () => {
    const on = opened({ a: {} });
    on.exchange.upstreamClosed();
    expect(on.events.slice(2)).toEqual(["down close", "a:closed local", "a:destroy", "up close"]);
  });

  test("a client that goes before the upstream was opened leaves it unopened", () => {
    const on = stage({ a: { opened: () => "stop-iteration" } });
    on.exchange.connected();
    on.exchange.downstreamClosed();
    expect(on.events).toEqual(["a:new", "a:closed remote", "a:destroy"]);
  });

  test("who sends too much to a stopped filter is asked to wait", () => {
    const on = opened({ a: { down: () => "stop-iteration", up: () => "stop-iteration" } }, 4);
    on.exchange.downstreamData(bytes("12345"), false);
    on.exchange.upstreamData(bytes("12345"), false);
    expect(on.events.filter((event) => event.includes("pause"))).toEqual(["down pause", "up pause"]);
    of(on).continueReading();
    expect(on.events.slice(-2)).toEqual(["up data 12345", "down resume"]);
  });

  test("bytes and times are counted", () => {
    const on = opened({ a: {} });
    on.exchange.downstreamData(bytes("12345"), true);
    on.exchange.upstreamData(bytes("123"), true);
    expect(on.exchange.info).toMatchObject({
      protocol: "",
      requestBytes: 5,
      responseBytes: 3,
      startTime: 7n,
      endTime: 7n,
    });
  });
});

test("whatever filters stop, every byte of both directions arrives when they go on", () => {
  const answers = array(constantFrom<NetworkStatus[]>("continue", "stop-iteration"), { minLength: 1, maxLength: 4 });
  const filter = tuple(answers, answers).map(([down, up]): TcpActs => {
    let calls = 0;
    return { down: () => down[(calls += 1) % down.length], up: () => up[(calls += 1) % up.length] };
  });
  const pieces = array(tuple(constantFrom("down", "up"), constantFrom("a", "bc", "def")));
  assert(
    property(array(filter, { maxLength: 3 }), pieces, (filters, sent) => {
      const on = opened(Object.fromEntries(filters.map((acts, index) => [`f${index}`, acts])));
      for (const [from, piece] of sent) {
        if (from === "down") on.exchange.downstreamData(bytes(piece), false);
        else on.exchange.upstreamData(bytes(piece), false);
      }
      for (let turn = 0; turn < 10; turn += 1) {
        for (const callbacks of on.callbacks.values()) {
          callbacks.continueReading();
          callbacks.continueWriting();
        }
      }
      const arrived = (to: string): string =>
        on.events.flatMap((event) => (event.startsWith(`${to} data `) ? [event.slice(to.length + 6)] : [])).join("");
      const given = (from: string): string => sent.flatMap(([end, piece]) => (end === from ? [piece] : [])).join("");
      expect([arrived("up"), arrived("down")]).toEqual([given("down"), given("up")]);
    }),
  );
});

interface TcpActs {
  readonly opened?: () => NetworkStatus;
  readonly down?: (data: BodyBuffer, callbacks: NetworkFilterCallbacks) => NetworkStatus | undefined | void;
  readonly up?: (data: BodyBuffer) => NetworkStatus | undefined | void;
}

interface TcpStage {
  readonly exchange: TcpExchange;
  readonly events: string[];
  readonly callbacks: Map<string, NetworkFilterCallbacks>;
}

function stage(filters: Readonly<Record<string, TcpActs>>, bufferLimit = 1000): TcpStage {
  const events: string[] = [];
  const callbacks = new Map<string, NetworkFilterCallbacks>();
  const sink = (name: string) => ({
    open: () => void events.push(`${name} open`),
    data: (piece: Uint8Array, end: boolean) => void events.push(`${name} data ${text(piece)}${end ? " eos" : ""}`),
    close: () => void events.push(`${name} close`),
    pause: (paused: boolean) => void events.push(`${name} ${paused ? "pause" : "resume"}`),
  });
  const exchange = new TcpExchange({
    filters: Object.entries(filters).map(([name, acts]) => ({
      name,
      createNetworkFilter: () => new ActedTcpFilter(name, acts, { events, callbacks }),
    })),
    clock: { now: () => 7n, monotonic: () => 0n },
    upstream: sink("up"),
    downstream: sink("down"),
    bufferLimit,
  });
  return { exchange, events, callbacks };
}

function opened(filters: Readonly<Record<string, TcpActs>>, bufferLimit?: number): TcpStage {
  const on = stage(filters, bufferLimit);
  on.exchange.connected();
  on.exchange.upstreamConnected();
  return on;
}

function of(on: TcpStage, name = "a"): NetworkFilterCallbacks {
  const found = on.callbacks.get(name);
  if (found === undefined) throw new Error(`no filter ${name}`);
  return found;
}

class ActedTcpFilter implements NetworkFilter {
  readonly #name: string;
  readonly #acts: TcpActs;
  readonly #records: Pick<TcpStage, "events" | "callbacks">;
  #callbacks: NetworkFilterCallbacks | undefined;

  constructor(name: string, acts: TcpActs, records: Pick<TcpStage, "events" | "callbacks">) {
    this.#name = name;
    this.#acts = acts;
    this.#records = records;
  }

  attach(callbacks: NetworkFilterCallbacks): void {
    this.#callbacks = callbacks;
    this.#records.callbacks.set(this.#name, callbacks);
  }
  onNewConnection(): NetworkStatus {
    this.#tell("new");
    return this.#acts.opened?.() ?? "continue";
  }
  onDownstreamData(data: BodyBuffer, end: boolean): NetworkStatus {
    this.#tell(`down ${text(data)}${end ? " eos" : ""}`);
    const callbacks = this.#callbacks;
    return (callbacks === undefined ? undefined : this.#acts.down?.(data, callbacks)) ?? "continue";
  }
  onUpstreamData(data: BodyBuffer, end: boolean): NetworkStatus {
    this.#tell(`up ${text(data)}${end ? " eos" : ""}`);
    return this.#acts.up?.(data) ?? "continue";
  }
  onDownstreamClose(by: ClosedBy): void {
    this.#tell(`closed ${by}`);
  }
  onUpstreamClose(by: ClosedBy): void {
    this.#tell(`upstream closed ${by}`);
  }
  destroy(): void {
    this.#tell("destroy");
  }
  #tell(event: string): void {
    this.#records.events.push(`${this.#name}:${event}`);
  }
}
