import { describe, expect, it } from "vitest";
import { applyPlan, type ApplyOptions } from "../../../src/deploy/apply-plan.ts";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import { undeployIstio } from "../../../src/deploy/undeploy-istio.ts";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { depsOf, imageOf, requestFor, start, undeployFor } from "./list-bench.ts";

/** What is said last when a deploy is stopped as it makes its WasmPlugin: by a signal, or by what the API server does. */
async function lastWords(by: "signal" | "server", options: Partial<ApplyOptions>): Promise<ProgressEvent | undefined> {
  const port = (await start()).port();
  const stop = new AbortController();
  const events: ProgressEvent[] = [];
  const stopped: KubePort = {
    ...port,
    apply: (kind, object, how) => {
      if (kind !== Kinds.wasmPlugin) return port.apply(kind, object, how);
      if (by === "signal") stop.abort();
      return Promise.reject(by === "signal" ? stop.signal.reason : new Error("gone"));
    },
  };
  const plan = await planDeploy(depsOf(port), requestFor("shop", "cache-http"), imageOf("v1"));
  const deps = { ...depsOf(stopped), signal: stop.signal, events: (event: ProgressEvent) => events.push(event) };
  await expect(applyPlan(deps, plan, { force: false, waits: "block", ...options })).rejects.toThrow(
    by === "signal" ? "aborted" : "gone",
  );
  return events.at(-1);
}

describe("a deploy that is stopped", () => {
  const message = expect.stringMatching(/^stopped; done: .* created; not done: create WasmPlugin shop\/web-hello$/u);

  it("says after Ctrl-C, which no error is shown for, how to go on and how to go back", async () => {
    expect(await lastWords("signal", { undo: "take it off: COMMAND" })).toEqual({
      type: "warning",
      message,
      hint: "run the same command again: it goes on from there; or take it off: COMMAND",
    });
  });

  it("leaves that to the error otherwise, and to nobody where no command did it", async () => {
    expect(await lastWords("server", { undo: "take it off: COMMAND" })).toEqual({ type: "warning", message });
    expect(await lastWords("signal", { waits: "stop" })).toEqual({ type: "warning", message });
  });

  it("names the node cache that an undeploy is gone on with, when nothing but its command tells of it any more", async () => {
    const storing = (await start()).port();
    const port: KubePort = {
      ...storing,
      patch: async (ref, patch, how) =>
        how?.dryRun === true
          ? { apiVersion: "v1", kind: ref.kind.kind, metadata: { name: ref.name } }
          : await storing.patch(ref, patch, how),
    };
    const { cache, ...request } = requestFor("shop", "cache-http");
    const deps = depsOf(port);
    const inTools = { ...request, cache: { ...cache, namespace: "tools" } };
    await applyPlan(deps, await planDeploy(deps, inTools, imageOf("v1")), { force: false, waits: "block" });
    const stop = new AbortController();
    const sleep = (): Promise<void> => {
      stop.abort();
      return Promise.reject(stop.signal.reason);
    };
    const events: ProgressEvent[] = [];
    const stopping = { connect: async () => port, clock: { ...deps.clock, sleep }, signal: stop.signal };
    const undeploying = undeployIstio(stopping, undeployFor("shop"), (event) => events.push(event));
    await expect(undeploying).rejects.toThrow("aborted");
    const hint = "run the same command again with --cache-namespace tools: it goes on from there";
    expect(events.at(-1)).toMatchObject({ type: "warning", hint });
    await undeployIstio(
      { ...stopping, clock: deps.clock, signal: undefined },
      { ...undeployFor("shop"), cache: inTools.cache },
    );
    expect(await port.get({ kind: Kinds.daemonSet, namespace: "tools", name: cache.name })).toBeUndefined();
  });

  it("says once what is to be done with an object, and tells deleting it from making it anew", async () => {
    const ref = { kind: Kinds.daemonSet, namespace: "wasme", name: "wasme-cache" };
    const object = { apiVersion: "apps/v1", kind: "DaemonSet", metadata: ref };
    const made = { type: "apply", action: "create", ref, object, reason: "" } as const;
    const steps = [{ type: "delete", action: "delete", ref, reason: "" } as const, made, made];
    const events: ProgressEvent[] = [];
    const port = { ...(await start()).port(), delete: () => Promise.reject(new Error("gone")) };
    const deps = { ...depsOf(port), events: (event: ProgressEvent) => events.push(event) };
    await expect(applyPlan(deps, { steps }, { force: false, waits: "stop" })).rejects.toThrow("gone");
    const names = "delete DaemonSet wasme/wasme-cache, create DaemonSet wasme/wasme-cache";
    expect(events).toMatchObject([{ message: `stopped before anything was changed; not done: ${names}` }]);
  });
});
