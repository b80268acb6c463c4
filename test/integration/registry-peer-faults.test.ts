import { afterAll, describe, it } from "vitest";
import type { AuthScript } from "../support/fault-auth.ts";
import { testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import type { FaultRegistry, FaultRegistryOptions, RequestClass } from "../support/fault-registry.ts";
import { runAgainstFaults } from "../support/fault-run.ts";

/** A fault, what is tried, and how it must end: `ok`, or the code of the error. */
interface Row {
  readonly fault: string;
  readonly way: "push" | "pull";
  readonly end: string;
  readonly script: (registry: FaultRegistry) => void;
  /** Credentials are asked for and sent: they must not reach the other origin. */
  readonly auth?: AuthScript;
  readonly registry?: FaultRegistryOptions;
  /** Least number of requests of a kind: the fault was met, not missed. */
  readonly met?: readonly [RequestClass, number];
  /** What the message must say. */
  readonly says?: RegExp;
}

/** Ends what hangs: many times what the slowest row needs, and little beside an hour or a body without end. Milliseconds. */
const LIMIT_MS = 60_000;

const WRITES: readonly RequestClass[] = ["manifest.head", "blob.head", "upload.post", "upload.put", "manifest.put"];
const READS: readonly RequestClass[] = ["manifest.get", "blob.get"];
const basic: AuthScript = { kind: "basic", username: "alice", password: "s3cret" };
const otherName: FaultRegistryOptions = { elsewhereName: "localhost" };

/** The same fault for the first requests of each kind. */
function first(times: number, kinds: readonly RequestClass[], make: () => fault.AnyFault): Row["script"] {
  return (registry) => {
    for (const kind of kinds) registry.on(kind, make(), times);
  };
}

const wait1 = { "retry-after": "1" };
const hour = { "retry-after": "3600" };

const SERVER_ERRORS: readonly Row[] = [
  { fault: "none", way: "push", end: "ok", script: () => undefined },
  { fault: "none", way: "pull", end: "ok", script: () => undefined },
  {
    fault: "500, first two of each class",
    way: "push",
    end: "ok",
    script: first(2, WRITES, () => fault.status(500)),
    met: ["upload.put", 3],
  },
  {
    fault: "500, first two of each class",
    way: "pull",
    end: "ok",
    script: first(2, READS, () => fault.status(500)),
    met: ["manifest.get", 3],
  },
  {
    fault: "503 + Retry-After 1, twice",
    way: "push",
    end: "ok",
    script: first(2, WRITES, () => fault.status(503, wait1)),
    met: ["upload.put", 3],
  },
  {
    fault: "503 + Retry-After 1, twice",
    way: "pull",
    end: "ok",
    script: first(2, READS, () => fault.status(503, wait1)),
    met: ["manifest.get", 3],
  },
  {
    fault: "429 + Retry-After 1, twice",
    way: "push",
    end: "ok",
    script: first(2, WRITES, () => fault.status(429, wait1)),
    met: ["upload.put", 3],
  },
  {
    fault: "429 + Retry-After 1, twice",
    way: "pull",
    end: "ok",
    script: first(2, READS, () => fault.status(429, wait1)),
    met: ["manifest.get", 3],
  },
  {
    fault: "429 + Retry-After as a date, twice",
    way: "pull",
    end: "ok",
    script: (registry) => {
      const dated: fault.AnyFault = (exchange) => {
        const head = { "retry-after": new Date(Date.now() + 1500).toUTCString() };
        return fault.status(429, head)(exchange);
      };
      for (const kind of READS) registry.on(kind, dated, 2);
    },
    met: ["manifest.get", 3],
  },
  {
    fault: "429 for ever",
    way: "pull",
    end: "REGISTRY_BUSY",
    script: (registry) => registry.on("manifest.get", fault.status(429)),
  },
  {
    fault: "429 for ever",
    way: "push",
    end: "REGISTRY_BUSY",
    script: (registry) => registry.on("upload.post", fault.status(429)),
  },
  {
    fault: "429 + Retry-After of an hour",
    way: "pull",
    end: "REGISTRY_BUSY",
    script: (registry) => registry.on("manifest.get", fault.status(429, hour)),
    says: /3600 s/u,
  },
  {
    fault: "503 + Retry-After of an hour",
    way: "push",
    end: "REGISTRY_BUSY",
    script: (registry) => registry.on("upload.put", fault.status(503, hour)),
    says: /3600 s/u,
  },
];

const CONNECTIONS: readonly Row[] = [
  {
    fault: "reset after 10 kB, once",
    way: "push",
    end: "ok",
    script: (registry) => registry.on("upload.put", fault.resetUpload(10_000), 1),
    met: ["upload.put", 2],
  },
  {
    fault: "reset after 10 kB, once",
    way: "pull",
    end: "ok",
    script: (registry) => registry.on(isModule, fault.cutBody(10_000, "reset"), 1),
    met: ["blob.get", 3],
  },
  {
    fault: "reset after 1.5 MB, once",
    way: "pull",
    end: "ok",
    script: (registry) => registry.on(isModule, fault.cutBody(1_500_000, "reset"), 1),
    met: ["blob.get", 3],
  },
  {
    fault: "reset after 10 kB, 3 times",
    way: "pull",
    end: "ok",
    script: (registry) => registry.on(isModule, fault.cutBody(10_000, "reset"), 3),
    met: ["blob.get", 5],
  },
  {
    fault: "reset after 1.5 MB, no Range",
    way: "pull",
    end: "ok",
    script: (registry) => {
      registry.on(isModule, fault.cutBody(1_500_000, "reset"), 1);
      registry.on("blob.get", fault.noRange());
    },
    met: ["blob.get", 3],
  },
  {
    fault: "early FIN, once",
    way: "pull",
    end: "ok",
    script: (registry) => registry.on(isModule, fault.cutBody(700_000, "fin"), 1),
    met: ["blob.get", 3],
  },
  {
    fault: "drip 400 kB/s",
    way: "pull",
    end: "ok",
    script: (registry) => registry.on(isModule, fault.drip(100, 50)),
  },
  {
    fault: "stall mid-body, once",
    way: "pull",
    end: "ok",
    script: (registry) => registry.on(isModule, fault.cutBody(700_000, "stall"), 1),
    met: ["blob.get", 3],
  },
  {
    fault: "stall mid-body, for ever",
    way: "pull",
    end: "REGISTRY_UNREACHABLE",
    script: (registry) => registry.on(isModule, fault.cutBody(10_000, "stall")),
  },
  {
    fault: "no answer at all, for ever",
    way: "pull",
    end: "REGISTRY_UNREACHABLE",
    script: (registry) => registry.on("manifest.get", fault.silence()),
  },
  {
    fault: "no answer to the blob PUT, for ever",
    way: "push",
    end: "REGISTRY_UNREACHABLE",
    script: (registry) => registry.on("upload.put", fault.silence()),
  },
  {
    fault: "blob PUT never read, for ever",
    way: "push",
    end: "REGISTRY_UNREACHABLE",
    script: (registry) => registry.on("upload.put", fault.neverRead()),
  },
  {
    fault: "201 lost on blob PUT",
    way: "push",
    end: "ok",
    script: (registry) => registry.on("upload.put", fault.loseAnswer(), 1),
  },
  {
    fault: "201 lost on manifest PUT",
    way: "push",
    end: "ok",
    script: (registry) => registry.on("manifest.put", fault.loseAnswer(), 1),
    met: ["manifest.put", 2],
  },
];

const BODIES: readonly Row[] = [
  {
    fault: "short body, honest length",
    way: "pull",
    end: "BLOB_DAMAGED",
    script: (registry) =>
      registry.on(
        isModule,
        fault.body((real) => real.subarray(0, 1_900_000)),
      ),
  },
  {
    fault: "7 bytes too many",
    way: "pull",
    end: "BLOB_DAMAGED",
    script: (registry) =>
      registry.on(
        isModule,
        fault.body((real) => Buffer.concat([real, Buffer.alloc(7)])),
      ),
  },
  {
    fault: "one wrong byte, always",
    way: "pull",
    end: "BLOB_DAMAGED",
    script: (registry) => registry.on(isModule, fault.wrongByte()),
  },
  {
    fault: "one wrong byte, once",
    way: "pull",
    end: "BLOB_DAMAGED",
    script: (registry) => registry.on(isModule, fault.wrongByte(), 1),
  },
  {
    fault: "manifest of 4 GB of blanks",
    way: "pull",
    end: "BODY_TOO_LARGE",
    script: (registry) => registry.on("manifest.get", fault.endless({ "content-type": OCI_MANIFEST })),
  },
  {
    fault: "manifest with one byte more than its header digest",
    way: "pull",
    end: "MANIFEST_DAMAGED",
    script: (registry) =>
      registry.on(
        "manifest.get",
        fault.body((real) => Buffer.concat([real, Buffer.from(" ")])),
      ),
  },
  {
    fault: "wrong Docker-Content-Digest on manifest",
    way: "pull",
    end: "MANIFEST_DAMAGED",
    script: (registry) => registry.on("manifest.get", fault.headers({ "docker-content-digest": OTHER_DIGEST })),
  },
  ...(["push", "pull"] as const).map((way) => ({
    fault: "no Docker-Content-Digest",
    way,
    end: "ok",
    script: (registry: FaultRegistry) =>
      registry.on([...WRITES, ...READS], fault.headers({ "docker-content-digest": "" })),
  })),
];

const PLACES: readonly Row[] = [
  ...[
    { name: "redirect, other host name", registry: otherName, strict: false },
    { name: "redirect, other host name that refuses credentials", registry: otherName, strict: true },
    { name: "redirect, same name, other port", registry: {}, strict: false },
    { name: "redirect, same name, other port that refuses credentials", registry: {}, strict: true },
  ].map(({ name, registry, strict }) => ({
    fault: name,
    way: "pull" as const,
    end: "ok",
    auth: basic,
    registry,
    script: (to: FaultRegistry) => {
      to.on("blob.get", fault.redirectElsewhere());
      if (strict) to.onElsewhere("blob.get", fault.refuseCredentials());
    },
    met: ["blob.get", 4] as const,
  })),
  {
    fault: "upload Location on another host",
    way: "push",
    end: "ok",
    auth: basic,
    registry: otherName,
    script: (registry) => registry.on("upload.post", fault.locationElsewhere()),
  },
  {
    fault: "upload Location on another port",
    way: "push",
    end: "ok",
    auth: basic,
    script: (registry) => registry.on("upload.post", fault.locationElsewhere()),
  },
  { fault: "upload Location relative", way: "push", end: "ok", auth: basic, script: () => undefined },
  {
    fault: "upload Location absolute",
    way: "push",
    end: "ok",
    auth: basic,
    script: (registry) => registry.on("upload.post", fault.locationAbsolute()),
  },
];

const PROTOCOL: readonly Row[] = [
  ...(
    [
      ["closed port", "http://127.0.0.1:1/token", "REGISTRY_UNREACHABLE"],
      ["no URL", "not a url", "REALM_REFUSED"],
      ["ftp", "ftp://127.0.0.1/token", "REALM_REFUSED"],
    ] as const
  ).map(([name, realm, end]) => ({
    fault: `realm: ${name}`,
    way: "pull" as const,
    end,
    script: (registry: FaultRegistry) => {
      registry.on("manifest.get", fault.status(401, { "www-authenticate": `Bearer realm="${realm}",service="x"` }));
    },
  })),
  {
    fault: "401 Basic for ever",
    way: "pull",
    end: "REGISTRY_UNAUTHORISED",
    auth: basic,
    script: (registry) => registry.on("manifest.get", fault.status(401, { "www-authenticate": 'Basic realm="x"' })),
  },
  ...(["push", "pull"] as const).map((way) => ({
    fault: "HEAD is 405",
    way,
    end: "ok",
    script: (registry: FaultRegistry) => registry.on(["manifest.head", "blob.head"], fault.status(405)),
  })),
  {
    fault: "PATCH is 405",
    way: "push",
    end: "ok",
    script: (registry) => registry.on("upload.patch", fault.status(405)),
  },
];

/**
 * The faults the clients of other projects were measured with, one at a time, met by the program itself: right bytes or
 * a named failure in time; nothing corrupt, hanging, left behind or leaked.
 */
describe.concurrent("each fault of a registry, met from the command line", () => {
  const image = testImage(2_000_000);
  const results = new Map<Row, string>();
  const rows = [...SERVER_ERRORS, ...CONNECTIONS, ...BODIES, ...PLACES, ...PROTOCOL];

  afterAll(() => {
    const lines = rows.map((row) => `${row.fault.padEnd(56)} ${row.way}  ${results.get(row) ?? "not run"}`);
    process.stdout.write(`${lines.join("\n")}\n`);
  });

  for (const row of rows) {
    it(`${row.way}: ${row.fault} → ${row.end}`, { timeout: LIMIT_MS + 10_000 }, async ({ expect }) => {
      const ended = await runAgainstFaults({ ...row, image, limitMs: LIMIT_MS });
      const { outcome, seconds, requests } = ended;
      results.set(row, `${outcome} ${seconds.toFixed(1)} s r${requests.length}`);
      expect(outcome, ended.error.message).toBe(row.end);
      expect(ended.faults).toEqual([]);
      expect(ended.arrived).toBe(row.end === "ok");
      expect(ended.leaks).toEqual([]);
      expect(ended.openUploads).toBe(0);
      expect(seconds).toBeLessThan(LIMIT_MS / 1000);
      expect(ended.error.message ?? "").toMatch(row.says ?? /(?:)/u);
      expect(row.end === "ok" || (ended.error.hint ?? "") !== "", "a failure says what to do").toBe(true);
      const [kind, least] = row.met ?? ["other", 0];
      expect(requests.filter((each) => each.kind === kind).length).toBeGreaterThanOrEqual(least);
      expect(requests.some(({ authorization }) => authorization !== undefined)).toBe(row.auth !== undefined);
    });
  }

  it("covers both ways", ({ expect }) => {
    expect(new Set(rows.map(({ way }) => way))).toEqual(new Set(["push", "pull"]));
  });
});

/** The module's own requests: the config is too small to be cut. */
function isModule({ kind, path }: FaultRegistry["requests"][number]): boolean {
  return kind === "blob.get" && path.includes(MODULE);
}

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const OTHER_DIGEST = `sha256:${"0".repeat(64)}`;
const MODULE = testImage(2_000_000).moduleDescriptor.digest;
