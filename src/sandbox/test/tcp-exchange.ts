import { BodyBuffer } from "../../host/body-buffer.ts";
import { streamInfoFor } from "../../host/exchange/exchange-stream.ts";
import type { NetworkFilter } from "../../host/network-filter.ts";
import type { StreamInfo } from "../../host/stream-info.ts";
import type { Session } from "./session.ts";

type Side = "upstream" | "downstream";

/** One TCP connection through a chain of filters: data goes on when every filter lets it, else it is held. */
export class TcpExchange {
  readonly #filters: NetworkFilter[];
  readonly #held: Record<Side, BodyBuffer[]>;
  readonly #sent: Record<Side, Uint8Array[]> = { upstream: [], downstream: [] };
  #ended: Record<Side, boolean> = { upstream: false, downstream: false };
  #stopped = false;
  #over = false;
  closedByFilter = false;

  constructor(session: Session, info: StreamInfo) {
    this.#filters = session.plugins.map((plugin) => plugin.createNetworkFilter());
    this.#held = { upstream: this.#buffers(), downstream: this.#buffers() };
    for (const [index, filter] of this.#filters.entries()) {
      filter.attach({
        info,
        continueReading: () => {
          this.#stopped = false;
          this.#pass("upstream", index + 1);
        },
        continueWriting: () => this.#pass("downstream", index + 1),
        close: () => {
          this.closedByFilter = true;
          this.#over = true;
        },
        report: (report) => void session.reports.push(report),
      });
    }
  }

  /** The connection is there. */
  open(): void {
    this.#stopped = this.#filters.some((filter) => filter.onNewConnection() === "stop-iteration");
  }

  fromDownstream(bytes: Uint8Array): void {
    this.#take("upstream", bytes);
  }

  fromUpstream(bytes: Uint8Array): void {
    this.#take("downstream", bytes);
  }

  /** One side closes: its data ends, then the filters are told. */
  closedBy(side: Side): void {
    const other = side === "downstream" ? "upstream" : "downstream";
    this.#ended[other] = true;
    this.#pass(other, 0, true);
    for (const filter of this.#filters) {
      if (side === "downstream") filter.onDownstreamClose("remote");
      else filter.onUpstreamClose("unknown");
    }
  }

  /** Done, log and delete of every filter. */
  destroy(): void {
    this.#over = true;
    for (const filter of this.#filters) filter.destroy();
  }

  /** All bytes that went to a side, as a string of bytes. */
  sent(side: Side): string {
    return Buffer.concat(this.#sent[side]).toString("latin1");
  }

  #buffers(): BodyBuffer[] {
    return this.#filters.map(() => new BodyBuffer());
  }

  /** New bytes reach the first filter of their way, with what it held. */
  #take(to: Side, bytes: Uint8Array): void {
    if (this.#over) return;
    const first = this.#held[to][0];
    if (first === undefined) {
      this.#sent[to].push(bytes);
      return;
    }
    first.append(bytes);
    if (!(to === "upstream" && this.#stopped)) this.#pass(to, 0);
  }

  /** Asks the filters from one on: forwards with the client's data, backwards, as Envoy writes, with the upstream's. */
  #pass(to: Side, from: number, last = false): void {
    if (from > 0) this.#moveOn(to, from - 1);
    const chain = to === "upstream" ? this.#filters : this.#filters.toReversed();
    for (const [index, filter] of chain.entries()) {
      const data = this.#held[to][index];
      if (index < from || data === undefined) continue;
      if ((data.length === 0 && !last) || !this.#ask(to, filter, data)) return;
      this.#moveOn(to, index);
    }
  }

  /** Whether the data goes on. */
  #ask(to: Side, filter: NetworkFilter, data: BodyBuffer): boolean {
    const end = this.#ended[to];
    const answer = to === "upstream" ? filter.onDownstreamData(data, end) : filter.onUpstreamData(data, end);
    return answer === "continue" && (!this.#over || this.closedByFilter);
  }

  #moveOn(to: Side, index: number): void {
    const data = this.#held[to][index];
    if (data === undefined) return;
    const next = this.#held[to][index + 1];
    if (next === undefined) {
      this.#sent[to].push(data.bytes());
      data.drain(data.length);
    } else next.moveFrom(data);
  }
}

/** What is known of a connection that is not HTTP. */
export function connectionInfo(session: Session, given: Partial<StreamInfo>): StreamInfo {
  const nothing = { headers: noop, data: noop, trailers: noop, reset: noop, pause: noop };
  return streamInfoFor({ filters: [], clock: session.time, upstream: nothing, downstream: nothing, info: given });
}

function noop(): void {
  // Nothing is sent by HTTP here.
}
