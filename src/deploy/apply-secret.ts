import { Kinds } from "../kube/kinds.ts";
import { stringMapAt } from "../kube/objects.ts";
import type { Run } from "./run.ts";
import { says, stayPatch } from "./cache-list.ts";
import { live } from "./needed-entries.ts";
import type { OutcomeWord } from "./outcomes.ts";
import { isOurs } from "./our-objects.ts";
import type { SecretChange } from "./plan.ts";
import { asConflict, retryConflicts, seenOf } from "./retry-conflicts.ts";
import { withVersion } from "./settle-change.ts";

/** Credentials of one image; the Secret is made with the first and, if it is ours, goes with the last. */
export async function applySecret(run: Run, change: SecretChange): Promise<OutcomeWord> {
  const { release } = change;
  return release === undefined ? writeKey(run, change) : releaseKey(run, change, release);
}

/** They go after the entry; while it is listed, somebody needs them. Only then nothing is left to be gone on with. */
async function releaseKey(
  run: Run,
  change: SecretChange,
  { list: ref, from }: NonNullable<SecretChange["release"]>,
): Promise<OutcomeWord> {
  const { deps } = run;
  const { key } = change;
  const list = await live(deps).port.get(ref, deps.signal);
  if (list !== undefined && stringMapAt(list, "data")[key] !== undefined) {
    return change.action === "unchanged" ? "unchanged" : "kept";
  }
  const outcome = await writeKey(run, change);
  const notice = { key, from };
  if (list !== undefined && says(list, "going", notice)) {
    await deps.port.patch(ref, stayPatch(notice), { signal: deps.signal });
  }
  return outcome;
}

async function writeKey(run: Run, change: SecretChange): Promise<OutcomeWord> {
  const { port, signal } = run.deps;
  const { ref, key, value } = change;
  return retryConflicts(run.deps, async () => {
    const secret = await port.get(ref, signal);
    const data = secret === undefined ? {} : stringMapAt(secret, "data");
    if ((data[key] ?? null) === value) return "unchanged";
    if (value !== null) run.written.add(key);
    if (secret === undefined) return makeSecret(run, change);
    if (value !== null || Object.keys(data).length > 1 || !isOurs(secret)) {
      await port.patch(ref, withVersion({ data: { [key]: value } }, secret), { signal });
      return "changed";
    }
    await port.delete(ref, { ...seenOf(secret), signal });
    return "deleted";
  });
}

async function makeSecret(run: Run, { ref, key, value, labels }: SecretChange): Promise<OutcomeWord> {
  const { name, namespace = "" } = ref;
  const object = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace, labels }, data: { [key]: value } };
  await run.deps.port.create(Kinds.secret, object, { signal: run.deps.signal }).catch(asConflict);
  return "created";
}
