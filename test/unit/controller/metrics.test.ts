import { describe, expect, it } from "vitest";
import { createController } from "../../../src/controller/controller.ts";
import { createMetrics } from "../../../src/controller/metrics.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { manualClock } from "../../support/manual-clock.ts";
import { memoryLog } from "../../support/memory-log.ts";

describe("the metrics", () => {
  it("count reconciles and the queue under controller-runtime's names", async () => {
    const clock = manualClock();
    const metrics = await createMetrics();
    let [fails, bugs] = [2, 1];
    const controller = createController({
      name: "filterdeployment",
      clock,
      log: memoryLog(),
      workers: 3,
      observe: metrics.observe("filterdeployment", 3),
      reconcile: async (key) => {
        await clock.sleep(300);
        if (key === "fails" && fails-- > 0) throw new WasmeError("failed", "X", "no");
        if (key === "bug" && bugs-- > 0) throw new TypeError("oops");
        return key === "again" ? { requeueAfterMs: 3_600_000 } : {};
      },
    });
    const stop = new AbortController();
    const running = controller.run({ stop: stop.signal });
    for (const key of ["a", "fails", "again", "bug", "b"]) controller.enqueue(key);
    await clock.advance(0);
    const during = await metrics.render();
    expect(during.text).toContain('controller_runtime_active_workers{controller="filterdeployment"} 3');
    expect(during.text).toContain('workqueue_depth{name="filterdeployment"} 2');
    const [, unfinished] =
      /^workqueue_unfinished_work_seconds\{name="filterdeployment"\} (.+)$/mu.exec(during.text) ?? [];
    const [, longest] = /^workqueue_longest_running_processor_seconds\{.*\} (.+)$/mu.exec(during.text) ?? [];
    expect(Number(longest)).toBeGreaterThan(0);
    expect(Number(unfinished)).toBeGreaterThan(Number(longest));
    await clock.advance(5000);
    stop.abort();
    await running;
    const { text, contentType } = await metrics.render();
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/u);
    const of = (line: string): number =>
      Number(new RegExp(`^${line.replaceAll(/[{}]/gu, "\\$&")} (.+)$`, "mu").exec(text)?.[1]);
    const controllerLabel = 'controller="filterdeployment"';
    expect(of(`controller_runtime_reconcile_total{${controllerLabel},result="success"}`)).toBe(4);
    expect(of(`controller_runtime_reconcile_total{${controllerLabel},result="requeue_after"}`)).toBe(1);
    const errors = 3;
    expect(of(`controller_runtime_reconcile_total{${controllerLabel},result="error"}`)).toBe(errors);
    expect(of(`controller_runtime_reconcile_errors_total{${controllerLabel}}`)).toBe(errors);
    expect(of(`controller_runtime_reconcile_panics_total{${controllerLabel}}`)).toBe(1);
    expect(of(`controller_runtime_max_concurrent_reconciles{${controllerLabel}}`)).toBe(3);
    expect(of(`controller_runtime_active_workers{${controllerLabel}}`)).toBe(0);
    expect(of(`controller_runtime_reconcile_time_seconds_sum{${controllerLabel}}`)).toBeCloseTo((errors + 5) * 0.3, 5);
    expect(of(`controller_runtime_terminal_reconcile_errors_total{${controllerLabel}}`)).toBe(0);
    expect(of('workqueue_unfinished_work_seconds{name="filterdeployment"}')).toBe(0);
    expect(of('workqueue_depth{name="filterdeployment"}')).toBe(0);
    expect(of('workqueue_retries_total{name="filterdeployment"}')).toBe(errors);
    expect(of('workqueue_adds_total{name="filterdeployment"}')).toBe(5 + errors + 1);
    expect(of('workqueue_work_duration_seconds_count{name="filterdeployment"}')).toBe(errors + 5);
    expect(of('workqueue_queue_duration_seconds_count{name="filterdeployment"}')).toBe(errors + 5);
  });

  it("count requests, tell who leads and how the process does, and take further ones", async () => {
    const metrics = await createMetrics();
    metrics.onAnswer({ method: "GET", code: "200", host: "10.0.0.1:443" });
    metrics.onAnswer({ method: "GET", code: "200", host: "10.0.0.1:443" });
    metrics.onAnswer({ method: "PATCH", code: "<error>", host: "10.0.0.1:443" });
    metrics.leads("wasme-operator", true);
    metrics.counter("wasme_pulls_total", "Pulls.", ["result"]).inc({ result: "ok" });
    metrics.gauge("wasme_bytes", "Bytes.").set(7);
    metrics.histogram("wasme_pull_seconds", "Seconds.", { buckets: [1, 2] }).observe(1.5);
    const { text } = await metrics.render();
    expect(text).toContain('rest_client_requests_total{method="GET",code="200",host="10.0.0.1:443"} 2');
    expect(text).toContain('rest_client_requests_total{method="PATCH",code="<error>",host="10.0.0.1:443"} 1');
    expect(text).toContain('leader_election_master_status{name="wasme-operator"} 1');
    expect(text).toContain('wasme_pulls_total{result="ok"} 1');
    expect(text).toContain("wasme_bytes 7");
    expect(text).toContain('wasme_pull_seconds_bucket{le="2"} 1');
    expect(text).toContain("process_resident_memory_bytes ");
  });
});
