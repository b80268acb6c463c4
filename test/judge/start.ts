import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { type Child, startChild } from "../components/child.ts";
import { rawRequest } from "../components/raw-http.ts";
import { waitFor } from "../components/wait.ts";
import type { JudgeSettings } from "./judge.ts";
import type { Report } from "./ledger.ts";

/** A judge in a process of its own. */
export interface RunningJudge {
  /** Where processes of pods (`namespace/name`) listen, `host:port`; null takes one away. */
  addresses(changes: Readonly<Record<string, string | null>>): Promise<void>;
  /** Restarts so many proxies, chosen at random. */
  restart(count: number): Promise<void>;
  /** Of all objects, or those of one namespace. */
  report(namespace?: string): Promise<Report>;
  /**
   * Waits until so many pods had or were refused this version of an object, and no proxy is asking any more; throws
   * with the report after `deadlineMs` (180 s).
   */
  heard(object: JudgedObject, pods: number, deadlineMs?: number): Promise<Report>;
  /** Waits until no proxy is asking or has a push under way; throws with the report after `deadlineMs` (180 s). */
  quiet(deadlineMs?: number): Promise<Report>;
  stop(): Promise<void>;
}

/** An object as the API server returned it. */
export interface JudgedObject {
  readonly metadata: { readonly uid?: string | undefined; readonly generation?: number | undefined };
}

/** Joins the judge into one file, for Node versions that read no TypeScript, and starts it: about a second. */
export async function startJudgeProgram(settings: JudgeSettings): Promise<RunningJudge> {
  const scratch = await mkdtemp(join(tmpdir(), "wasme-judge-"));
  const file = join(scratch, "judge.mjs");
  const input = fileURLToPath(new URL("main.ts", import.meta.url));
  const bundle = await rolldown({ input, platform: "node", logLevel: "silent" });
  await bundle.write({ file, format: "esm" });
  await bundle.close();
  const child = await startChild(process.execPath, [file, JSON.stringify(settings)], { scratch });
  const [, url = ""] = await child.seen(/judge on (\S+)/u);
  return {
    ...control(child, url),
    stop: async () => {
      await child.stop();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

function control(child: Child, url: string): Omit<RunningJudge, "stop"> {
  const ask = async (path: string, body?: object): Promise<Report> => {
    const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const answer = await rawRequest({ url: url + path, ...sent }).catch((error: unknown) => {
      throw new Error(`the judge does not answer:\n${child.log()}`, { cause: error });
    });
    return JSON.parse(answer.text) as Report;
  };
  const report = (namespace?: string): Promise<Report> =>
    ask(namespace === undefined ? "/report" : `/report?namespace=${namespace}`);
  const until = (what: string, deadlineMs = 180_000, done: (report: Report) => boolean): Promise<Report> => {
    let last: Report | undefined;
    return waitFor(
      what,
      async () => {
        last = await report();
        return done(last) ? last : undefined;
      },
      { deadlineMs, everyMs: 50, detail: () => JSON.stringify(last, undefined, 1) },
    );
  };
  return {
    addresses: async (changes) => void (await ask("/addresses", changes)),
    restart: async (count) => void (await ask(`/restart?count=${count}`, {})),
    report,
    heard: ({ metadata }, pods, deadlineMs) => {
      const version = `${metadata.uid}@${metadata.generation}`;
      return until(`${pods} pods to have asked for ${version}`, deadlineMs, ({ busy, versions }) => {
        const { served = 0, refused = 0 } = versions[version] ?? {};
        return busy === 0 && served + refused >= pods;
      });
    },
    quiet: (deadlineMs) => until("the proxies to be quiet", deadlineMs, ({ busy }) => busy === 0),
  };
}
