import type { Fault } from "./fault-exchange.ts";
import * as fault from "./fault-kinds.ts";
import type { FaultRegistry } from "./fault-registry.ts";
import type { RequestClass } from "./fault-requests.ts";
import type { Random } from "./random.ts";

/** A random fault, and on which requests it strikes. */
export interface ScriptLine {
  readonly kind: RequestClass;
  /** For ever when absent. */
  readonly times: number | undefined;
  /** In words, for reports. */
  readonly what: string;
  readonly fault: Fault;
}

/** Some faults of one run. */
export function randomScript(random: Random, way: "push" | "pull", size: number): readonly ScriptLine[] {
  return Array.from({ length: random.int(1, 4) }, () => {
    const kind = random.pick(KINDS[way]);
    const made = random.pick([...ANY, ...ANY_BODY, ...(OWN[kind] ?? [])]);
    const { what, fault: broken } = made(random, size);
    const times = random.chance(0.12) && !SLOW.test(what) ? undefined : random.int(1, 3);
    return { kind, times, what, fault: broken };
  });
}

/** Has the faults strike. */
export function applyScript(registry: FaultRegistry, script: readonly ScriptLine[]): void {
  for (const line of script) registry.on(line.kind, line.fault, line.times);
}

/** The script in words, a line each. */
export function tellScript(script: readonly ScriptLine[]): string {
  return script.map(({ kind, times, what }) => `  ${kind} ${times ?? "∞"}×: ${what}`).join("\n");
}

interface Made {
  readonly what: string;
  readonly fault: Fault;
}

type Make = (random: Random, size: number) => Made;

const KINDS: Readonly<Record<"push" | "pull", readonly RequestClass[]>> = {
  push: [
    "manifest.head",
    "blob.head",
    "upload.post",
    "upload.put",
    "upload.put",
    "upload.patch",
    "manifest.put",
    "token",
    "ping",
  ],
  pull: ["manifest.get", "blob.get", "blob.get", "blob.get", "token", "ping"],
};

/** Every retry waits for the idle time-out: a few of these are enough. */
const SLOW = /silence|stall|never read|drip/u;

const RETRY_AFTER: readonly string[] = ["", "", "0", "1", "7", "3600", "soon", "-1"];

const ANY: readonly Make[] = [
  (random) => {
    const code = random.pick([408, 429, 500, 502, 503, 504]);
    const after = random.pick(RETRY_AFTER);
    return {
      what: `${code} after ${after || "nothing"}`,
      fault: fault.status(code, after === "" ? {} : { "retry-after": after }),
    };
  },
  (random) => {
    const ahead = random.pick([-5000, 2000, 3_600_000]);
    const at = new Date(Date.now() + ahead).toUTCString();
    return { what: `503 until ${ahead} ms from now`, fault: fault.status(503, { "retry-after": at }) };
  },
  () => ({ what: "answer lost", fault: fault.loseAnswer() }),
  (random) => {
    const bytes = random.int(0, 250);
    return { what: `answer lost after ${bytes} bytes`, fault: fault.loseAnswerAfter(bytes) };
  },
  () => ({ what: "reset after the answer", fault: fault.resetAfterAnswer() }),
  () => ({ what: "silence", fault: fault.silence() }),
  () => ({ what: "no HTTP", fault: fault.notHttp() }),
];

const ANY_BODY: readonly Make[] = [
  (random) => {
    const [status, code] = random.pick([
      [400, "UNSUPPORTED"],
      [403, "DENIED"],
      [404, "NAME_UNKNOWN"],
      [409, "CONFLICT"],
    ] as const);
    return { what: `${status} ${code}`, fault: fault.refuse(status, code, "no") };
  },
  (random) => {
    const status = random.pick([301, 302, 303, 307, 308]);
    return { what: `${status} to the other origin`, fault: fault.redirectElsewhere(status) };
  },
  () => ({ what: "redirect in a circle", fault: fault.redirectToItself() }),
  () => ({
    what: "redirect to a metadata service",
    fault: fault.status(307, { location: "http://169.254.169.254/latest" }),
  }),
  () => ({ what: "redirect to two places", fault: fault.twoLocations() }),
  () => ({
    what: "other digest in the header",
    fault: fault.headers({ "docker-content-digest": `sha256:${"0".repeat(64)}` }),
  }),
  () => ({ what: "no digest in the header", fault: fault.headers({ "docker-content-digest": "" }) }),
  () => ({ what: "endless body", fault: fault.endless() }),
  () => ({ what: "401 without challenge", fault: fault.status(401) }),
];

const DOWNLOAD: readonly Make[] = [
  (random, size) => {
    const bytes = random.int(0, size);
    const how = random.pick(["reset", "fin", "stall"] as const);
    return { what: `${how} after ${bytes} bytes`, fault: fault.cutBody(bytes, how) };
  },
  () => ({ what: "a wrong byte", fault: fault.wrongByte() }),
  (random, size) => {
    const bytes = random.int(0, size - 1);
    return { what: `only ${bytes} bytes, said so`, fault: fault.body((real) => real.subarray(0, bytes)) };
  },
  (random) => {
    const more = random.int(1, 70_000);
    return {
      what: `${more} bytes more, said so`,
      fault: fault.body((real) => Buffer.concat([real, Buffer.alloc(more)])),
    };
  },
  () => ({ what: "compressed", fault: fault.gzip() }),
  () => ({ what: "range ignored", fault: fault.noRange() }),
  () => ({ what: "wrong content-range", fault: fault.headers({ "content-range": "bytes 5-6/7" }) }),
  () => ({ what: "length untold", fault: fault.headers({ "content-length": "" }) }),
  () => ({ what: "drip", fault: fault.drip(8, 10) }),
  () => ({ what: "416", fault: fault.status(416) }),
];

const UPLOAD: readonly Make[] = [
  (random, size) => {
    const bytes = random.int(1, size);
    return { what: `upload reset after ${bytes} bytes`, fault: fault.resetUpload(bytes) };
  },
  (random, size) => {
    const bytes = random.int(0, size - 1);
    return { what: `only ${bytes} bytes taken`, fault: fault.takeBeginning(bytes) };
  },
  () => ({ what: "never read", fault: fault.neverRead() }),
  () => ({ what: "session unknown", fault: fault.refuse(404, "BLOB_UPLOAD_UNKNOWN", "gone") }),
  () => ({ what: "204", fault: fault.change((answer) => (answer.status === 201 ? { status: 204 } : {})) }),
  () => ({ what: "413", fault: fault.status(413) }),
  () => ({ what: "416", fault: fault.status(416) }),
];

const OWN: Partial<Record<RequestClass, readonly Make[]>> = {
  "blob.get": [...DOWNLOAD, ...DOWNLOAD, ...DOWNLOAD],
  "manifest.get": DOWNLOAD,
  "upload.put": [...UPLOAD, ...UPLOAD],
  "upload.patch": UPLOAD,
  "upload.post": [
    () => ({ what: "location at the other origin", fault: fault.locationElsewhere() }),
    () => ({ what: "whole location", fault: fault.locationAbsolute() }),
    () => ({ what: "no location", fault: fault.headers({ location: "" }) }),
  ],
  "manifest.head": [() => ({ what: "405", fault: fault.status(405) })],
  "blob.head": [
    () => ({ what: "405", fault: fault.status(405) }),
    () => ({ what: "a lie: it is there", fault: fault.status(200) }),
  ],
  "manifest.put": [
    () => ({ what: "413", fault: fault.status(413) }),
    () => ({ what: "415", fault: fault.status(415) }),
  ],
  token: [
    () => ({ what: "no token", fault: fault.change(() => ({ status: 200, body: Buffer.from("{}") })) }),
    () => ({
      what: "a token of another",
      fault: fault.change(() => ({ status: 200, body: Buffer.from('{"token":"abc"}') })),
    }),
    () => ({ what: "no JSON", fault: fault.change(() => ({ status: 200, body: Buffer.from("<html>") })) }),
  ],
};
