import { WasmeError } from "../domain/errors.ts";
import { apiVersion, Kinds } from "../kube/kinds.ts";
import { at, type KubeObject, numberAt, stringAt } from "../kube/objects.ts";
import type { KubePort, ObjectRef } from "../kube/port.ts";
import type { SteadyClock } from "../platform/clock.ts";
import { microTime } from "./micro-time.ts";

/** Who wants the lease, which, and for how long it is taken. */
export interface LeaseClaim {
  readonly namespace: string;
  readonly name: string;
  /** Of this process alone. */
  readonly identity: string;
  /** Milliseconds without a renewal after which others may take it; whole seconds. */
  readonly leaseMs: number;
}

/** One Lease object as this process sees it. */
export interface LeaderLease {
  /** Takes or renews it if it may be taken; whether we hold it now. Throws what the server's failures are. */
  tryHold(signal: AbortSignal): Promise<boolean>;
  /** Lets others have it at once; only when we hold it. */
  release(signal: AbortSignal): Promise<void>;
  /** Who holds it, as last seen; absent when nobody does. */
  holder(): string | undefined;
}

/**
 * A lease whose age is judged by when this process saw it change, never by the times in it: clocks of machines differ.
 * Every write names the version it was judged on, so that of two who take it one is refused.
 */
export function createLeaderLease(
  deps: { readonly port: Pick<KubePort, "get" | "create" | "patch">; readonly clock: SteadyClock },
  claim: LeaseClaim,
): LeaderLease {
  const { port, clock } = deps;
  const ref: ObjectRef = { kind: Kinds.lease, name: claim.name, namespace: claim.namespace };
  let seen: { readonly lease: KubeObject; readonly at: number } | undefined;

  const observe = (lease: KubeObject | undefined): void => {
    if (lease === undefined) seen = undefined;
    else if (seen?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion)
      seen = { lease, at: clock.elapsed() };
  };
  const mayTake = (): boolean => {
    const holder = holderOf(seen?.lease);
    if (seen === undefined || holder === undefined || holder === claim.identity) return true;
    const lasts = numberAt(seen.lease, ["spec", "leaseDurationSeconds"]) * 1000 || claim.leaseMs;
    return clock.elapsed() - seen.at > lasts;
  };
  const spec = (): Record<string, unknown> => {
    const now = microTime(clock.now());
    const ours = holderOf(seen?.lease) === claim.identity;
    const transitions = numberAt(seen?.lease, ["spec", "leaseTransitions"]);
    return {
      holderIdentity: claim.identity,
      leaseDurationSeconds: Math.round(claim.leaseMs / 1000),
      renewTime: now,
      ...(ours ? {} : { acquireTime: now, leaseTransitions: seen === undefined ? 0 : transitions + 1 }),
    };
  };
  const write = async (fields: Record<string, unknown>, signal: AbortSignal): Promise<boolean> => {
    try {
      const { resourceVersion } = seen?.lease.metadata ?? {};
      const metadata = { name: claim.name, namespace: claim.namespace };
      const written =
        resourceVersion === undefined
          ? await port.create(Kinds.lease, { ...LEASE, metadata, spec: fields }, { signal })
          : await port.patch(ref, { metadata: { resourceVersion }, spec: fields }, { signal });
      observe(written);
      return true;
    } catch (error) {
      if (error instanceof WasmeError && LOST_RACE.has(error.code)) return false;
      throw error;
    }
  };

  return {
    holder: () => holderOf(seen?.lease),
    tryHold: async (signal) => {
      // Who holds it writes at once: one request instead of two.
      if (holderOf(seen?.lease) === claim.identity && (await write(spec(), signal))) return true;
      observe(await port.get(ref, signal));
      return mayTake() && (await write(spec(), signal));
    },
    release: async (signal) => {
      if (holderOf(seen?.lease) !== claim.identity) return;
      const now = microTime(clock.now());
      const free = { holderIdentity: "", leaseDurationSeconds: 1, renewTime: now, acquireTime: now };
      if (await write(free, signal)) return;
      // A renewal that was given up at the end may have been written all the same.
      observe(await port.get(ref, signal));
      if (holderOf(seen?.lease) === claim.identity) await write(free, signal);
    },
  };
}

const LEASE = { apiVersion: apiVersion(Kinds.lease), kind: Kinds.lease.kind };
/** Somebody else wrote it, made it or deleted it in between. */
const LOST_RACE: ReadonlySet<string> = new Set(["KUBE_CONFLICT", "KUBE_ALREADY_EXISTS", "KUBE_NOT_FOUND"]);

function holderOf(lease: KubeObject | undefined): string | undefined {
  const holder = lease === undefined ? undefined : stringAt(at(lease, "spec"), "holderIdentity");
  return holder === "" ? undefined : holder;
}
