import type { IncomingMessage, ServerResponse } from "node:http";
import { messageOf } from "../domain/errors.ts";
import { redact } from "../domain/redact.ts";
import type { Metrics } from "./metrics.ts";
import type { Reflector } from "./reflector.ts";

/** Why something is not well, one line; `undefined` when it is. What it throws is such a line too. */
export type HealthCheck = () => string | undefined | Promise<string | undefined>;

/** The health of a program, as probes and scrapers ask for it. */
export interface Health {
  /** `/readyz` is red while one of these is not well. A second check of a name replaces the first. */
  addReady(name: string, check: HealthCheck): void;
  /** What `/readyz` tells beside its verdict, when there is something to tell: never a reason to be red. */
  addRemark(name: string, check: HealthCheck): void;
  /** `/healthz` is red while one of these is not well: the kubelet kills the program then. */
  addAlive(name: string, check: HealthCheck): void;
  /** Ready when the reflector has synced and can follow. */
  addReflector(reflector: Pick<Reflector, "name" | "state">): void;
  /** From now on `/readyz` is red, so that no new work is sent here. */
  shutDown(): void;
  /**
   * Answers GET and HEAD of `/healthz`, `/readyz` (and one check of them: `/readyz/NAME`) and `/metrics`; `false`: the
   * request is none of these and was not touched. Checks that are not well are listed in the body, with `?verbose` all.
   */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

/** No checks yet: alive and ready. `/metrics` is there when `metrics` is. */
export function createHealth(options: { readonly metrics?: Pick<Metrics, "render"> } = {}): Health {
  const { metrics } = options;
  const ready = new Map<string, HealthCheck>();
  const alive = new Map<string, HealthCheck>();
  const remarks = new Map<string, HealthCheck>();
  return {
    addReady: (name, check) => void ready.set(name, check),
    addRemark: (name, check) => void remarks.set(name, check),
    addAlive: (name, check) => void alive.set(name, check),
    addReflector: ({ name, state }) => {
      ready.set(name, () => {
        const { synced, trouble } = state();
        return trouble ?? (synced ? undefined : "not synced yet");
      });
    },
    shutDown: () => void ready.set("shutdown", () => "shutting down"),
    handle: (request, response) => {
      const url = request.url ?? "/";
      if (!URL.canParse(url, BASE)) return false; // anybody may send `//`
      const { pathname, search } = new URL(url, BASE);
      const [, root = "", name] = /^\/(healthz|readyz|metrics)(?:\/(.+))?$/u.exec(pathname) ?? [];
      if (root === "" || (root === "metrics" && (metrics === undefined || name !== undefined))) return false;
      const answer = (): Promise<Answer> => {
        if (root === "metrics" && metrics !== undefined) return scrape(metrics);
        const wanted = { root, name, verbose: search === "?verbose" };
        return root === "healthz" ? judge(alive, new Map(), wanted) : judge(ready, remarks, wanted);
      };
      if (request.method === "GET" || request.method === "HEAD") void reply(response, answer());
      else void reply(response, Promise.resolve({ status: 405, text: "only GET and HEAD\n", allow: "GET, HEAD" }));
      return true;
    },
  };
}

/** Of paths; never seen. */
const BASE = "http://health";

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly contentType?: string;
  readonly allow?: string;
}

async function scrape(metrics: Pick<Metrics, "render">): Promise<Answer> {
  return { status: 200, ...(await metrics.render()) };
}

async function judge(
  checks: ReadonlyMap<string, HealthCheck>,
  remarks: ReadonlyMap<string, HealthCheck>,
  { root, name, verbose }: { readonly root: string; readonly name: string | undefined; readonly verbose: boolean },
): Promise<Answer> {
  const wanted = [...checks].filter(([own]) => name === undefined || own === decodeName(name));
  if (name !== undefined && wanted.length === 0) return { status: 404, text: `there is no check of that name\n` };
  const lines = await Promise.all(
    wanted.map(async ([own, check]) => {
      const why = await inOneLine(check);
      return why === undefined ? { bad: false, text: `[+]${own} ok` } : { bad: true, text: `[-]${own} failed: ${why}` };
    }),
  );
  const failed = lines.filter(({ bad }) => bad);
  const notes = await Promise.all(
    [...remarks]
      .filter(([own]) => name === undefined || own === decodeName(name))
      .map(async ([own, check]) => {
        const what = await inOneLine(check);
        return what === undefined ? [] : [`[!]${own}: ${what}`];
      }),
  );
  if (failed.length === 0 && notes.flat().length === 0 && !verbose) return { status: 200, text: "ok\n" };
  const shown = [...(verbose ? lines : failed).map(({ text }) => text), ...notes.flat()];
  const verdict = failed.length === 0 ? `${root} check passed` : `${root} check failed`;
  return { status: failed.length === 0 ? 200 : 503, text: `${[...shown, verdict].join("\n")}\n` };
}

async function inOneLine(check: HealthCheck): Promise<string | undefined> {
  try {
    const why = await check();
    return why === undefined ? undefined : redact(why).replaceAll(/\s+/gu, " ");
  } catch (error) {
    return redact(messageOf(error)).replaceAll(/\s+/gu, " ");
  }
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function reply(response: ServerResponse, coming: Promise<Answer>): Promise<void> {
  const answer = await coming.catch((error: unknown): Answer => ({
    status: 500,
    text: `${redact(messageOf(error))}\n`,
  }));
  response.writeHead(answer.status, {
    "content-type": answer.contentType ?? "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(answer.text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(answer.allow === undefined ? {} : { allow: answer.allow }),
  });
  response.end(answer.text);
}
