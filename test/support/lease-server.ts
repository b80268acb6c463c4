import { WasmeError } from "../../src/domain/errors.ts";
import type { KubeObject } from "../../src/kube/objects.ts";
import type { KubePort } from "../../src/kube/port.ts";
import type { Clock } from "../../src/platform/clock.ts";

/** How one client's requests fare on their way. */
export interface Weather {
  /** Milliseconds to the server and back, for the next request. */
  readonly there: () => number;
  readonly back: () => number;
  /** Whether the next request gets lost: before it arrives, or its answer. */
  readonly lost: () => "no" | "request" | "answer";
}

export type LeasePort = Pick<KubePort, "get" | "create" | "patch">;

/**
 * The part of an API server that leader election uses, for one Lease, in a time that tests move: a real server's
 * answers take real time. Optimistic concurrency is the real one's: a patch of an old version is refused.
 */
export class LeaseServer {
  lease: KubeObject | undefined;
  requests = 0;
  #version = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A client's way to it. */
  port(weather: Weather = { there: () => 0, back: () => 0, lost: () => "no" }): LeasePort {
    const travel = async <T>(signal: AbortSignal | undefined, act: () => T): Promise<T> => {
      this.requests += 1;
      const lost = weather.lost();
      await this.#clock.sleep(weather.there(), signal);
      if (lost === "request") throw unreachable();
      // The server has done it, whatever becomes of its answer.
      const done = attempt(act);
      await this.#clock.sleep(weather.back(), signal);
      if (lost === "answer") throw unreachable();
      return done();
    };
    return {
      get: (_ref, signal) => travel(signal, () => this.lease),
      create: (_kind, object, options = {}) =>
        travel(options.signal, () => {
          if (this.lease !== undefined) throw new WasmeError("failed", "KUBE_ALREADY_EXISTS", "it exists already");
          return this.#store(object);
        }),
      patch: (_ref, patch, options = {}) =>
        travel(options.signal, () => {
          if (this.lease === undefined) throw new WasmeError("not-found", "KUBE_NOT_FOUND", "there is none");
          const { metadata, spec } = patch as { metadata: { resourceVersion: string }; spec: object };
          if (metadata.resourceVersion !== this.lease.metadata.resourceVersion) {
            throw new WasmeError("failed", "KUBE_CONFLICT", "someone else changed it meanwhile");
          }
          return this.#store({ ...this.lease, spec: { ...(this.lease["spec"] as object), ...spec } });
        }),
    };
  }

  /** Somebody with other tools writes it. */
  overwrite(spec: Readonly<Record<string, unknown>>): void {
    if (this.lease !== undefined) this.#store({ ...this.lease, spec: { ...(this.lease["spec"] as object), ...spec } });
  }

  #store(object: KubeObject): KubeObject {
    this.#version += 1;
    this.lease = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    return this.lease;
  }
}

function attempt<T>(act: () => T): () => T {
  try {
    const value = act();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function unreachable(): WasmeError {
  return new WasmeError("unreachable", "KUBE_UNREACHABLE", "cannot reach the server");
}
