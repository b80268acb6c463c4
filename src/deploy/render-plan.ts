import type { KubeObject } from "../kube/objects.ts";
import { type Change, changesOf, type Plan, refTitle } from "./plan.ts";
import { comparable } from "./same-object.ts";
import { unifiedDiff } from "./unified-diff.ts";

/** The plan for people: its notes, one line per change, and how many pods restart. Objects that stay are left out. */
export function planLines(plan: Pick<Plan, "steps" | "notes">): readonly string[] {
  const changes = changesOf(plan).filter(({ action }) => action !== "unchanged");
  if (changes.length === 0) return [...plan.notes, "nothing to change"];
  const width = Math.max(...changes.map(({ ref }) => refTitle(ref).length));
  const lines = changes.map((change) => `${change.action} ${refTitle(change.ref).padEnd(width)}  ${change.reason}`);
  return [...plan.notes, ...lines];
}

/**
 * What a plan would change, as unified diffs of the objects' YAML, one after the other; empty when nothing would.
 * The new side is the server's own answer to a dry run, except inside a namespace that does not exist yet.
 */
export async function planDiff(plan: Pick<Plan, "steps">): Promise<string> {
  const { stringify } = await import("yaml");
  const yaml = (object: KubeObject | undefined): string => {
    return object === undefined ? "" : stringify(comparable(object), { lineWidth: 0, aliasDuplicateObjects: false });
  };
  const diff = (change: Change): string => {
    const title = refTitle(change.ref);
    const after = change.action === "delete" ? undefined : change.after;
    return unifiedDiff(yaml(change.before), yaml(after), {
      before: change.before === undefined ? "/dev/null" : `live ${title}`,
      after: after === undefined ? "/dev/null" : `new ${title}`,
    });
  };
  return changesOf(plan)
    .filter(({ action }) => action !== "unchanged")
    .map((change) => diff(change))
    .filter((text) => text !== "")
    .join("\n");
}
