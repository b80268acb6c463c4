import { assertNever } from "../../domain/errors.ts";
import type { CalloutPort, CalloutStart, GrpcCallout, GrpcHandle, HttpCallout } from "../../host/callout.ts";
import { headerMap } from "./flat-headers.ts";
import { type CalloutInput, type CoreOutput, FromCore, ToCore } from "./messages.ts";

/** Adds a message for the side of the sockets. */
type Tell = (message: CoreOutput) => void;

/** Sends the callouts of the filters to the side of the sockets, and their answers back. */
export class CoreCallouts implements CalloutPort {
  readonly #clusters: ReadonlySet<string>;
  readonly #http = new Map<number, HttpCallout>();
  readonly #ids = new Map<HttpCallout, number>();
  readonly #grpc = new Map<number, GrpcCallout>();
  #tell: Tell = () => undefined;
  #last = 0;

  /** @param clusters names that can be called; others are unknown. */
  constructor(clusters: Iterable<string>) {
    this.#clusters = new Set(clusters);
  }

  /** Where messages go; they are lost before. */
  connect(tell: Tell): void {
    this.#tell = tell;
  }

  http(call: HttpCallout): CalloutStart {
    const { cluster, headers, timeoutMs } = call;
    if (!this.#clusters.has(cluster)) return "unknown-cluster";
    const id = this.#next();
    this.#http.set(id, call);
    this.#ids.set(call, id);
    // Copies: the filter, or a test that looks on, may still have them.
    const body = call.body.slice();
    const trailers = call.trailers?.flat.slice();
    this.#tell([FromCore.callout, id, { cluster, headers: headers.flat.slice(), body, trailers, timeoutMs }]);
    return "sent";
  }

  cancelHttp(call: HttpCallout): void {
    const id = this.#ids.get(call);
    if (id === undefined) return;
    this.#forget(id, call);
    this.#tell([FromCore.cancelCallout, id]);
  }

  grpc(call: GrpcCallout): GrpcHandle | Exclude<CalloutStart, "sent"> {
    const { cluster, service, method } = call;
    if (!this.#clusters.has(cluster)) return "unknown-cluster";
    const id = this.#next();
    this.#grpc.set(id, call);
    const unary =
      call.unary === undefined ? undefined : { message: call.unary.message.slice(), timeoutMs: call.unary.timeoutMs };
    const headers = call.initialMetadata.flat.slice();
    this.#tell([FromCore.grpcOpen, id, { cluster, service, method, headers, unary }]);
    return {
      send: (message, endStream) => this.#tell([FromCore.grpcSend, id, message.slice(), endStream]),
      close: () => this.#tell([FromCore.grpcClose, id]),
      cancel: () => {
        this.#grpc.delete(id);
        this.#tell([FromCore.grpcCancel, id]);
      },
    };
  }

  /** Delivers what came back for a callout; what was given up is dropped. */
  handle(message: CalloutInput): void {
    const [kind, id] = message;
    const http = this.#http.get(id);
    const grpc = this.#grpc.get(id);
    if (http !== undefined) {
      this.#forget(id, http);
      if (kind === ToCore.calloutFailed) http.fail(message[2]);
      else if (kind === ToCore.calloutAnswer) {
        const [, , headers, body, trailers] = message;
        http.answer({
          headers: headerMap("response", headers),
          body,
          trailers: trailers === undefined ? undefined : headerMap("trailers", trailers),
        });
      }
    } else if (grpc !== undefined) this.#deliver(grpc, message);
  }

  #deliver(call: GrpcCallout, message: CalloutInput): void {
    switch (message[0]) {
      case ToCore.grpcInitial:
        return call.initialMetadataReceived(headerMap("response", message[2]));
      case ToCore.grpcMessage:
        return call.received(message[2]);
      case ToCore.grpcTrailing:
        return call.trailingMetadataReceived(headerMap("trailers", message[2]));
      case ToCore.grpcFailed:
        this.#grpc.delete(message[1]);
        return call.fail(message[2]);
      case ToCore.grpcClosed:
        this.#grpc.delete(message[1]);
        return call.closed(message[2], message[3]);
      case ToCore.calloutAnswer:
      case ToCore.calloutFailed:
        return undefined;
      default:
        return assertNever(message);
    }
  }

  #forget(id: number, call: HttpCallout): void {
    this.#http.delete(id);
    this.#ids.delete(call);
  }

  #next(): number {
    this.#last += 1;
    return this.#last;
  }
}
