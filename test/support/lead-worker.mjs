// A process that wants to lead: `node lead-worker.mjs KUBECONFIG NAMESPACE IDENTITY`. While it leads it writes, as fast as
// it is let, and prints a line `write NANOSECONDS` for each; times are of the clock all processes of the machine share.
// SIGTERM ends it cleanly.
import { guardWrites } from "../../dist/controller/guard-writes.js";
import { runLeaderElection } from "../../dist/controller/leader-election.js";
import { connectCluster } from "../../dist/kube/adapter.js";
import { Kinds } from "../../dist/kube/kinds.js";
import { systemClock } from "../../dist/platform/clock.js";
import { createJsonLog } from "../../dist/platform/json-log.js";

const [file, namespace, identity] = process.argv.slice(2);
const print = (line) => process.stdout.write(`${line}\n`);
const port = await connectCluster(
  { clock: systemClock, events: () => undefined, fieldManager: "wasme-operator" },
  { file, env: {}, cwd: "/" },
);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort(new Error("SIGTERM")));
const log = createJsonLog({ write: (line) => process.stderr.write(line), clock: systemClock });
const options = {
  port,
  clock: systemClock,
  log,
  lease: { namespace, name: "leader" },
  identity,
  // A fifth of the usual times.
  leaseMs: 3000,
  renewDeadlineMs: 2000,
  retryMs: 400,
};
const lead = async (leadership) => {
  print("leads");
  const guarded = guardWrites(port, leadership);
  const ref = { kind: Kinds.configMap, namespace, name: "written" };
  while (!stop.signal.aborted) {
    const at = process.hrtime.bigint();
    await guarded.patch(ref, { data: { by: identity } });
    print(`write ${at}`);
    await systemClock.sleep(10);
  }
};
try {
  await runLeaderElection(options, lead, stop.signal);
  print("done");
} catch (error) {
  print(`ends ${error.code ?? error.message}`);
  process.exitCode = 1;
}
port.close();
process.exit();
