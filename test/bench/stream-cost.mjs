/**
 * Measures what a stream through one filter costs in a process of its own, in turn with a filter that does nothing:
 * `node stream-cost.mjs FILE ROOT_ID STREAMS` prints the result as JSON. Every command of wasme has one filter in a
 * thread; with several in one the engine's call sites see several, and each stream costs a third more.
 */
import { readFileSync } from "node:fs";
import { loadModule } from "../../dist/host/load-module.js";
import { pluginConfig } from "../../dist/host/plugin-config.js";
import { measureFilter } from "../../dist/sandbox/bench/measure-filter.js";

const [file, rootId, streams] = process.argv.slice(2);

/** Milliseconds of CPU time of this process, which other processes do not add to. */
function cpu() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const module = loadModule(readFileSync(file));
const result = measureFilter({ module, config: pluginConfig({ rootId }), streams: Number(streams), now: cpu });
process.stdout.write(JSON.stringify(result));
