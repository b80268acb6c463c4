import type { KubeObject } from "../kube/objects.ts";
import type { KubePort, ObjectRef } from "../kube/port.ts";
import { refTitle, refTo } from "./plan.ts";

/** How the cluster will be once the old objects have made room. */
export interface ViewOptions {
  /** Will be deleted before anything of its name is made. */
  readonly gone: readonly ObjectRef[];
  /** Will be written over, in place. */
  readonly replaced: readonly ObjectRef[];
  /** Will be written at another moment than it is planned for: its dry run says nothing. */
  readonly untried: readonly ObjectRef[];
  /** Will be ours: dry runs do not stumble over the old owner of its fields. */
  readonly adopted: readonly ObjectRef[];
}

/**
 * The cluster as today's objects will find it, for planning before anything is changed. Reads leave out what will be
 * gone or replaced. A dry run of what will be gone answers what was asked for, since the server would hold it against
 * the old object; other writes are tried as they are.
 */
export function viewWithoutOld(port: KubePort, { gone, replaced, untried, adopted }: ViewOptions): KubePort {
  const titles = (refs: readonly ObjectRef[]): ReadonlySet<string> => new Set(refs.map((ref) => refTitle(ref)));
  const [away, hidden] = [titles([...gone, ...untried]), titles([...gone, ...replaced])];
  const ours = titles([...replaced, ...adopted]);
  const isHidden = (kind: ObjectRef["kind"], object: KubeObject): boolean => hidden.has(refTitle(refTo(kind, object)));
  return {
    ...port,
    get: async (ref, signal) => (hidden.has(refTitle(ref)) ? undefined : await port.get(ref, signal)),
    list: async (selection, signal) => {
      const list = await port.list(selection, signal);
      return { ...list, items: list.items.filter((item) => !isHidden(selection.kind, item)) };
    },
    apply: async (kind, object, options = {}) => {
      if (options.dryRun !== true) return await port.apply(kind, object, options);
      const title = refTitle(refTo(kind, object));
      if (away.has(title)) return object;
      const force = options.force === true || ours.has(title);
      return await port.apply(kind, object, { ...options, force });
    },
  };
}
