import { WasmeError } from "../domain/errors.ts";
import type { KubePort } from "../kube/port.ts";
import type { Leadership } from "./leader-election.ts";

/**
 * The same port, whose writes are refused (`LEADER_LOST`) from the moment another process may lead: a process that was
 * held up (a paused machine, a long collection of garbage) goes on in the middle of its work, before any timer of its
 * own tells that it is too late.
 */
export function guardWrites(port: KubePort, leadership: Pick<Leadership, "leads">): KubePort {
  const guarded =
    <A extends readonly unknown[], R>(write: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (!leadership.leads()) {
        throw new WasmeError("failed", "LEADER_LOST", "this process no longer leads: nothing is written");
      }
      return write(...args);
    };
  return {
    ...port,
    apply: guarded((...args: Parameters<KubePort["apply"]>) => port.apply(...args)),
    patch: guarded((...args: Parameters<KubePort["patch"]>) => port.patch(...args)),
    jsonPatch: guarded((...args: Parameters<KubePort["jsonPatch"]>) => port.jsonPatch(...args)),
    create: guarded((...args: Parameters<KubePort["create"]>) => port.create(...args)),
    delete: guarded((...args: Parameters<KubePort["delete"]>) => port.delete(...args)),
    deleteAll: guarded((...args: Parameters<KubePort["deleteAll"]>) => port.deleteAll(...args)),
  };
}
