// How much memory a reflector of all Deployments takes: `node --expose-gc reflector-memory.mjs KUBECONFIG`. Prints
// one line of JSON.
import { createReflector } from "../../dist/controller/reflector.js";
import { connectCluster } from "../../dist/kube/adapter.js";
import { Kinds } from "../../dist/kube/kinds.js";
import { systemClock } from "../../dist/platform/clock.js";
import { silentLog } from "../../dist/platform/json-log.js";

const [file] = process.argv.slice(2);
const heap = () => {
  globalThis.gc();
  return process.memoryUsage().heapUsed;
};
const port = await connectCluster({ clock: systemClock, events: () => undefined }, { file, env: {}, cwd: "/" });
const before = heap();
const start = process.cpuUsage();
const reflector = createReflector({ port, clock: systemClock, log: silentLog }, { kind: Kinds.deployment });
const stop = new AbortController();
void reflector.run(stop.signal);
await reflector.synced;
const { user, system } = process.cpuUsage(start);
const heapBytes = heap() - before;
const found = reflector.store.list({ namespace: "ns-7" }).length;
const { size } = reflector.store;
const { maxRSS } = process.resourceUsage();
process.stdout.write(
  `${JSON.stringify({ size, found, heapBytes, maxRssBytes: maxRSS * 1024, cpuMs: (user + system) / 1000 })}\n`,
);
process.exit();
