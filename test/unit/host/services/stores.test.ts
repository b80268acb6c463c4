import { describe, expect, it } from "vitest";
import { MetricStore, MetricTable, SAMPLES_KEPT } from "../../../../src/host/metrics.ts";
import { SharedDataStore } from "../../../../src/host/shared-data.ts";
import { SharedQueueStore } from "../../../../src/host/shared-queue.ts";
import { Status } from "../../../../src/host/status.ts";
import { Timers } from "../../../../src/host/timers.ts";
import { call, OUT } from "../../../support/guest-program.ts";
import { runGuest } from "./guest.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("shared data", () => {
  it("numbers the writes of all keys and VMs with one counter", () => {
    const store = new SharedDataStore();
    store.set("a", "one", bytes("1"));
    store.set("a", "two", bytes("2"));
    store.set("b", "one", bytes("3"));
    store.set("a", "one", bytes("4"));
    expect([store.get("a", "one")?.cas, store.get("a", "two")?.cas, store.get("b", "one")?.cas]).toEqual([4, 2, 3]);
  });

  it("compares the number only when there is one on both sides", () => {
    const store = new SharedDataStore();
    expect(store.set("a", "k", bytes("1"), 77)).toBe(true);
    expect(store.set("a", "k", bytes("2"), 77)).toBe(false);
    expect(store.get("a", "k")?.value).toEqual(bytes("1"));
    expect(store.set("a", "k", bytes("2"), 1)).toBe(true);
    expect(store.set("a", "k", bytes("3"), 0)).toBe(true);
  });

  it("answers a guest as Envoy does, row 64 of the behaviour list", () => {
    const get = (key: string) => call("proxy_get_shared_data", key, OUT, OUT + 4, OUT + 8);
    const guest = runGuest({
      callbacks: {
        proxy_on_configure: [
          get("k"),
          call("proxy_set_shared_data", "k", "one", 0),
          get("k"),
          call("proxy_set_shared_data", "k", "two", { at: OUT + 8 }),
          call("proxy_set_shared_data", "k", "three", { at: OUT + 8 }),
          call("proxy_set_shared_data", "", "of the empty key", 9),
          get(""),
          get("k"),
          call("proxy_get_shared_data", -1, 5, OUT, OUT, OUT),
          call("proxy_get_shared_data", "none", -4, -4, -4),
          call("proxy_get_shared_data", "k", -4, OUT, OUT),
          call("proxy_get_shared_data", "k", OUT, OUT, -4),
          call("proxy_set_shared_data", "k", -1, 5, 0),
          call("proxy_set_shared_data", -1, 5, "x", 0),
        ],
      },
    });
    expect(guest.calls()).toEqual([
      "get_shared_data(k) = 1",
      "set_shared_data(k, one, 0) = 0",
      "get_shared_data(k) = 0, one, 1",
      "set_shared_data(k, two, 1) = 0",
      "set_shared_data(k, three, 1) = 8",
      "set_shared_data(, of the empty key, 9) = 0",
      "get_shared_data() = 0, of the empty key, 3",
      "get_shared_data(k) = 0, two, 2",
      "get_shared_data(out of bounds: 5 bytes at 4294967295) = 6",
      "get_shared_data(none) = 1",
      "get_shared_data(k) = 6",
      "get_shared_data(k) = 6",
      "set_shared_data(k, out of bounds: 5 bytes at 4294967295, 0) = 6",
      "set_shared_data(out of bounds: 5 bytes at 4294967295, x, 0) = 6",
    ]);
    guest.host.sharedData.seed("vm", "größe", "7");
    expect(guest.host.sharedData.list("vm").map(({ key }) => key)).toEqual(["k", "", "größe"]);
    expect(guest.host.sharedData.list("other")).toEqual([]);
  });

  it("keeps its own copy", () => {
    const store = new SharedDataStore();
    const value = bytes("abc");
    store.set("a", "k", value);
    value.fill(0);
    expect(store.get("a", "k")?.value).toEqual(bytes("abc"));
  });
});

describe("shared queues", () => {
  it("tell the owner once per entry, later, also when it is gone by then", () => {
    const tasks: (() => void)[] = [];
    const store = new SharedQueueStore((task) => void tasks.push(task));
    const told: string[] = [];
    const id = store.register("a", "q", (queue) => void told.push(`first ${queue}`));
    store.enqueue(id, bytes("1"));
    store.enqueue(id, bytes("2"));
    expect(store.dequeue(id)).toEqual(bytes("1"));
    expect(store.dequeue(id)).toEqual(bytes("2"));
    expect(store.dequeue(id)).toBe("empty");
    expect(told).toEqual([]);
    for (const task of tasks.splice(0)) task();
    expect(told).toEqual(["first 1", "first 1"]);
  });

  it("keep what they hold when another registers them, and belong to it", () => {
    const tasks: (() => void)[] = [];
    const store = new SharedQueueStore((task) => void tasks.push(task));
    const told: string[] = [];
    const id = store.register("a", "q", () => void told.push("first"));
    store.enqueue(id, bytes("1"));
    expect(store.register("a", "q", () => void told.push("second"))).toBe(id);
    store.enqueue(id, bytes("2"));
    for (const task of tasks) task();
    expect(told).toEqual(["first", "second"]);
    expect(store.list("a")).toEqual([{ name: "q", entries: [bytes("1"), bytes("2")] }]);
    expect(store.register("b", "q", undefined)).not.toBe(id);
    expect([store.resolve("a", "q"), store.resolve("c", "q"), store.dequeue(99)]).toEqual([id, undefined, "unknown"]);
  });

  it("answer a guest as Envoy does, row 65", () => {
    const guest = runGuest({
      callbacks: {
        proxy_on_configure: [
          call("proxy_register_shared_queue", "q", OUT),
          call("proxy_resolve_shared_queue", "", "q", OUT),
          call("proxy_resolve_shared_queue", "vm", "q", OUT),
          call("proxy_resolve_shared_queue", "other", "q", OUT),
          call("proxy_enqueue_shared_queue", { at: OUT }, "x"),
          call("proxy_enqueue_shared_queue", { at: OUT }, "y"),
          call("proxy_enqueue_shared_queue", 0, "y"),
          call("proxy_dequeue_shared_queue", 9, OUT, OUT),
        ],
        proxy_on_queue_ready: [
          call("proxy_dequeue_shared_queue", 1, OUT, OUT + 4),
          call("proxy_dequeue_shared_queue", 1, OUT, OUT + 4),
        ],
      },
    });
    expect(guest.calls()).toEqual([
      "register_shared_queue(q) = 0, 1",
      "resolve_shared_queue(, q) = 0, 1",
      "resolve_shared_queue(vm, q) = 0, 1",
      "resolve_shared_queue(other, q) = 1",
      "enqueue_shared_queue(1, x) = 0",
      "enqueue_shared_queue(1, y) = 0",
      "enqueue_shared_queue(0, y) = 1",
      "dequeue_shared_queue(9) = 1",
    ]);
    expect(guest.host.nextDue()).toBe(guest.environment.clock.at);
    expect(guest.host.settle()).toBe(2);
    expect(guest.all()).toEqual([
      "> on_queue_ready(1, 1)",
      "dequeue_shared_queue(1) = 0, x",
      "dequeue_shared_queue(1) = 0, y",
      "> on_queue_ready(1, 1)",
      "dequeue_shared_queue(1) = 7",
      "dequeue_shared_queue(1) = 7",
    ]);
  });

  it("of a root that is gone tell nobody", () => {
    const guest = runGuest({
      callbacks: {
        proxy_on_configure: [call("proxy_register_shared_queue", "q", OUT)],
        proxy_on_queue_ready: [],
      },
    });
    guest.calls();
    guest.host.sharedQueues.seed("vm", "q", "late");
    guest.host.stop();
    expect(guest.host.settle()).toBe(1);
    expect(guest.all()).toEqual([]);
  });
});

describe("metrics", () => {
  it("give every definition a new id of its kind, with the same value behind a name", () => {
    const store = new MetricStore();
    const table = new MetricTable(store);
    const ids = [0, 0, 1, 2, 1, 0].map((type) => table.define(type, "m"));
    expect(ids).toEqual([4, 8, 5, 6, 9, 12]);
    expect(table.define(3, "m")).toBeUndefined();
    table.increment(4, 2n);
    table.increment(8, 3n);
    expect([table.get(12), table.get(5)]).toEqual([5n, 0n]);
    expect(new MetricTable(store).define(0, "m")).toBe(4);
  });

  it("refuse what Envoy refuses, row 67", () => {
    const table = new MetricTable(new MetricStore());
    for (const type of [0, 1, 2]) table.define(type, "m");
    const [counter, gauge, histogram] = [4, 5, 6];
    expect([table.increment(counter, 0n), table.increment(counter, -1n)]).toEqual([
      Status.badArgument,
      Status.badArgument,
    ]);
    expect(table.increment(gauge, -2n)).toBe(Status.ok);
    expect(table.get(gauge)).toBe(2n ** 64n - 2n);
    expect([table.increment(histogram, 1n), table.get(histogram)]).toEqual([Status.badArgument, Status.badArgument]);
    expect([table.increment(999, 1n), table.record(999, 1n), table.get(999)]).toEqual([
      Status.badArgument,
      Status.notFound,
      Status.badArgument,
    ]);
    expect([table.increment(4000, 1n), table.record(4000, 1n), table.get(4000)]).toEqual([
      Status.notFound,
      Status.notFound,
      Status.notFound,
    ]);
    expect(table.get(0)).toBe(Status.notFound);
  });

  it("record by kind, and keep the newest samples only", () => {
    const store = new MetricStore();
    const table = new MetricTable(store);
    for (const [type, name] of ["c", "g", "größe"].entries())
      table.define(type, name === "größe" ? "gr\u00c3\u00b6\u00c3\u009fe" : name);
    table.record(4, 5n);
    table.record(4, 5n);
    table.record(5, -1n);
    for (let sample = 0; sample < SAMPLES_KEPT + 2; sample += 1) table.record(6, BigInt(sample));
    const [counter, gauge, histogram] = store.list();
    expect(counter).toEqual({ name: "c", type: "counter", value: 10n });
    expect(gauge).toEqual({ name: "g", type: "gauge", value: 2n ** 64n - 1n });
    expect(histogram?.name).toBe("größe");
    if (histogram?.type !== "histogram") throw new Error("no histogram");
    expect([histogram.count, histogram.value.length, histogram.value[0], histogram.value.at(-1)]).toEqual([
      SAMPLES_KEPT + 2,
      SAMPLES_KEPT,
      2n,
      BigInt(SAMPLES_KEPT + 1),
    ]);
    expect(histogram.sum).toBe((BigInt(SAMPLES_KEPT + 1) * BigInt(SAMPLES_KEPT + 2)) / 2n);
    expect([store.value("c"), store.value("none")]).toEqual([10n, 0n]);
  });

  it("answer a guest, 64 bits of them", () => {
    const guest = runGuest({
      callbacks: {
        proxy_on_configure: [
          call("proxy_define_metric", 0, "a", OUT),
          call("proxy_increment_metric", 4, 0x1_0000_0000n),
          call("proxy_record_metric", 4, 1n),
          call("proxy_get_metric", 4, OUT),
          call("proxy_define_metric", 3, "a", OUT),
          call("proxy_define_metric", 3, "a", -1),
          call("proxy_define_metric", 0, -1, 4, OUT),
          call("proxy_define_metric", 0, "b", -1),
          call("proxy_get_metric", 4, -4),
          call("proxy_get_metric", 400, -4),
        ],
      },
    });
    expect(guest.calls()).toEqual([
      "define_metric(counter, a) = 0, 4",
      "increment_metric(4, 4294967296) = 0",
      "record_metric(4, 1) = 0",
      "get_metric(4) = 0, 4294967297",
      "define_metric(metric 3, a) = 2",
      "define_metric(metric 3, a) = 2",
      "define_metric(counter, out of bounds: 4 bytes at 4294967295) = 6",
      "define_metric(counter, b) = 6",
      "get_metric(4) = 6",
      "get_metric(400) = 1",
    ]);
  });
});

describe("timers", () => {
  it("fire what is due once each, oldest first, and begin anew when the callback is over", () => {
    const clock = { at: 0n, monotonic: () => clock.at };
    const timers = new Timers(clock);
    const [one, two] = [{}, {}];
    const fired: string[] = [];
    timers.set(one, 1000, () => {
      fired.push("one");
      clock.at += 500_000_000n;
    });
    timers.set(two, 300, () => void fired.push("two"));
    expect(timers.nextDue()).toBe(300_000_000n);
    expect(timers.run()).toBe(0);
    clock.at = 5_000_000_000n;
    expect(timers.run()).toBe(2);
    expect(fired).toEqual(["two", "one"]);
    expect(timers.nextDue()).toBe(5_300_000_000n);
    timers.set(two, 0, () => undefined);
    expect(timers.nextDue()).toBe(6_500_000_000n);
    expect([timers.period(one), timers.period(two)]).toEqual([1000, 0]);
  });

  it("may be changed by what they call", () => {
    const clock = { at: 0n, monotonic: () => clock.at };
    const timers = new Timers(clock);
    const [one, two] = [{}, {}];
    let fired = 0;
    timers.set(one, 1, () => {
      fired += 1;
      timers.set(two, 0, () => undefined);
      timers.set(one, 7, () => undefined);
    });
    timers.set(two, 2, () => void (fired += 10));
    clock.at = 10_000_000n;
    expect(timers.run()).toBe(1);
    expect(fired).toBe(1);
    expect(timers.nextDue()).toBe(17_000_000n);
  });
});
