import { TcpExchange } from "../../../src/host/exchange/tcp-exchange.ts";
import type { NetworkFilterFactory } from "../../../src/host/network-filter.ts";
import type { SeenMessage } from "../exchange-lines.ts";
import { GAP_MS, type TcpSpec } from "../scenario.ts";
import { latin1Bytes, latin1Text } from "./bytes.ts";
import { upstreamInfo } from "./http-upstream.ts";
import type { Simulation } from "./simulation.ts";

type Seen = { -readonly [Key in keyof SeenMessage]: SeenMessage[Key] };

/** What a scenario's connections run through. */
export interface TcpSetting {
  readonly simulation: Simulation;
  readonly filters: readonly NetworkFilterFactory[];
  readonly upstreamSaw: (seen: SeenMessage) => void;
  /** Takes what closes a connection that nobody closed, when the proxy ends. */
  readonly leftOpen: (() => void)[];
  /** Name of the upstream's cluster. */
  readonly cluster: string;
}

/** Makes one connection, with the server and the client of its spec; `done` is called when it is over, or after a second. */
export function connectVirtual(setting: TcpSetting, spec: TcpSpec, done: (seen: SeenMessage) => void): void {
  const { simulation } = setting;
  const client: Seen = { start: "tcp", headers: [], body: "", trailers: [], end: "hanging" };
  let over = false;
  const finish = (end: string): void => {
    if (over) return;
    over = true;
    client.end = end;
    done({ ...client });
  };
  const server = new VirtualServer(setting, spec);
  const exchange = new TcpExchange({
    filters: setting.filters,
    clock: simulation.clock,
    info: {
      source: { address: "127.0.0.1:50000", port: 50_000 },
      destination: { address: "127.0.0.1:10000", port: 10_000 },
    },
    upstream: server.sink,
    downstream: {
      data: (bytes, endStream) => {
        client.body += latin1Text(bytes);
        if (!endStream) return;
        finish("complete");
        simulation.after(0, () => exchange.downstreamData(new Uint8Array(0), true));
      },
      close: () => finish("complete"),
      pause: () => undefined,
    },
  });
  server.exchange = exchange;
  simulation.after(0, () => exchange.connected());
  let at = 0;
  for (const piece of spec.send) {
    at += GAP_MS;
    simulation.after(at, () => exchange.downstreamData(latin1Bytes(piece), false));
  }
  if (spec.serverCloses !== true) {
    at += 3 * GAP_MS;
    simulation.after(at, () => exchange.downstreamData(new Uint8Array(0), true));
  }
  simulation.after(at + 1000, () => {
    if (over) return;
    finish("hanging");
    setting.leftOpen.push(() => exchange.upstreamClosed());
  });
}

/** The server in virtual time. */
class VirtualServer {
  exchange: TcpExchange | undefined;
  readonly sink: ConstructorParameters<typeof TcpExchange>[0]["upstream"];
  readonly #setting: TcpSetting;
  readonly #spec: TcpSpec;
  readonly #answers: TcpSpec["answers"][number][];
  readonly #seen: Seen = { start: "tcp", headers: [], body: "", trailers: [], end: "hanging" };
  #closed = false;

  constructor(setting: TcpSetting, spec: TcpSpec) {
    this.#setting = setting;
    this.#spec = spec;
    this.#answers = [...spec.answers];
    this.sink = {
      open: () => this.#open(),
      data: (bytes, endStream) => this.#data(bytes, endStream),
      close: () => {
        if (this.#seen.end === "hanging") this.#seen.end = "complete";
        this.#closed = true;
      },
      pause: () => undefined,
    };
  }

  #open(): void {
    this.#setting.upstreamSaw(this.#seen);
    const { exchange } = this;
    if (exchange !== undefined) {
      exchange.info.upstream = upstreamInfo();
      exchange.info.clusterName = this.#setting.cluster;
    }
    this.#later(1, () => {
      exchange?.upstreamConnected();
      this.#serve();
    });
  }

  #data(bytes: Uint8Array, endStream: boolean): void {
    this.#seen.body += latin1Text(bytes);
    if (endStream) this.#seen.end = "complete";
    this.#serve();
  }

  /** What is written in one go is read in one go. */
  #serve(): void {
    const due = this.#answers.filter(({ afterBytes }) => afterBytes <= this.#seen.body.length);
    this.#answers.splice(0, due.length);
    const data = due.map((answer) => answer.data).join("");
    if (data !== "") this.#later(1, () => this.exchange?.upstreamData(latin1Bytes(data), false));
    const last = this.#answers.length === 0 && this.#spec.serverCloses === true;
    if (this.#closed || (!last && this.#seen.end !== "complete")) return;
    this.#closed = true;
    this.#later(GAP_MS + 1, () => this.exchange?.upstreamData(new Uint8Array(0), true));
  }

  #later(milliseconds: number, action: () => void): void {
    this.#setting.simulation.after(milliseconds, action);
  }
}
