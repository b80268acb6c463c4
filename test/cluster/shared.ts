import { rawRequest } from "../components/raw-http.ts";
import { providedComponents } from "../components/require-component.ts";
import type { ClusterClient, Connection } from "./api.ts";
import { connect } from "./client.ts";

/**
 * The cluster that all test files of a run share: two fake nodes, all of Istio's kinds. The first call of the run
 * starts it (about four seconds). Take a fresh namespace each and leave cluster-wide things alone; for those,
 * start a cluster of your own. Throws when `components/global-setup.ts` is not the run's global setup.
 */
export async function sharedCluster(): Promise<ClusterClient> {
  const provided = providedComponents();
  if (provided === undefined) throw new Error("no shared cluster: vitest runs without test/components/global-setup.ts");
  const answer = await rawRequest({ url: provided.desk, timeoutMs: 120_000 });
  if (answer.status !== 200) throw new Error(answer.text);
  return connect(JSON.parse(answer.text) as Connection);
}
