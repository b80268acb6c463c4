/**
 * Entry of a worker for the tests of `isolate/`: calls exports of plain modules as the host does, with the heartbeat, and
 * misbehaves on request. Loads what the compiler wrote, as every thread does.
 */
import { serveWorker } from "../../dist/isolate/serve-worker.js";

serveWorker(({ data, heartbeat, post }) => {
  if (data?.failAtStart) throw new Error("no good start");
  const instances = new Map();
  const call = ({ module, name, args = [] }) => {
    const instance = instances.get(module) ?? new WebAssembly.Instance(module, {});
    instances.set(module, instance);
    heartbeat[0] += 1;
    try {
      return instance.exports[name](...args);
    } finally {
      heartbeat[0] += 1;
    }
  };
  return (message) => {
    if (message.exit !== undefined) process.exit(message.exit);
    if (message.hoard) {
      const hoard = [];
      for (;;) hoard.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
    }
    if (message.bodies) {
      // What no heap limit counts, as fast as host calls take it.
      const bodies = [];
      for (;;) {
        bodies.push(new Uint8Array(1024 * 1024).fill(1));
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
    if (message.fail) throw new Error("asked to fail");
    if (message.later) return new Promise((resolve) => setTimeout(() => resolve("later"), message.later));
    if (message.never) return new Promise(() => undefined);
    if (message.post !== undefined) return post(message.post);
    if (message.block !== undefined) {
      // In the middle of a call, without a processor.
      heartbeat[0] += 1;
      const woken = Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, message.block);
      heartbeat[0] += 1;
      return woken;
    }
    if (message.rest !== undefined) return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, message.rest);
    return call(message);
  };
});
