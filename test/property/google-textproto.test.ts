import fc from "fast-check";
import { expect, it } from "vitest";
import { printGoogleTests, readGoogleTests } from "../../src/sandbox/test/google/read-google-tests.ts";

/** What is left out is not there, as the reader has it. */
function record<T extends object>(
  fields: { [K in keyof T]-?: fc.Arbitrary<T[K]> },
  always: (keyof T)[] = [],
): fc.Arbitrary<T> {
  return fc.record(fields, { requiredKeys: always });
}

const text = fc.string({ unit: "binary" }).filter((value) => !/\p{Surrogate}/u.test(value));
const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const headers = fc.array(record({ key: text, value: bytes }), { maxLength: 3 });
const matcher = fc
  .tuple(
    record({ invert: fc.boolean() }),
    fc.oneof(record({ exact: bytes }), record({ regex: text }), record({ file: text })),
  )
  .map(([invert, kind]) => ({ ...invert, ...kind }));
const matchers = fc.array(matcher, { maxLength: 2 });
const immediate = record({ httpStatus: uint32, grpcStatus: uint32, details: text });
const expectation = record(
  { hasHeader: headers, noHeader: headers, headers: matchers, body: matchers, immediate, log: matchers },
  ["hasHeader", "noHeader", "headers", "body", "log"],
);
const invocation = record({
  input: record({ header: headers, content: bytes, file: text }, ["header"]),
  result: expectation,
});
const plan = fc.oneof(
  record({ numChunks: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) }),
  record({ chunkSize: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
);
const test = fc
  .tuple(
    plan,
    record(
      {
        name: text,
        benchmark: fc.boolean(),
        properties: fc.array(record({ path: text, value: bytes }), { maxLength: 2 }),
        requestHeaders: invocation,
        requestBody: fc.array(invocation, { maxLength: 2 }),
        responseHeaders: invocation,
        responseBody: fc.array(invocation, { maxLength: 2 }),
        pluginInit: expectation,
        streamInit: expectation,
        streamDestroy: expectation,
      },
      ["properties", "requestBody", "responseBody"],
    ),
  )
  .map(([chunks, rest]) => ({ ...chunks, ...rest }));
const env = record({
  testPath: text,
  wasmPath: text,
  configPath: text,
  logLevel: fc.constantFrom("UNDEFINED", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"),
  logPath: text,
  timeSecs: uint64,
  numAdditionalStreams: uint64,
  additionalStreamAdvanceRate: uint64,
});

it("prints every suite so that it reads back to the same", async () => {
  await fc.assert(
    fc.asyncProperty(record({ env, test: fc.array(test, { maxLength: 3 }) }, ["test"]), async (suite) => {
      const printed = printGoogleTests(suite);
      const { suite: read } = await readGoogleTests(printed, "printed.textpb");
      expect(read).toEqual(suite);
    }),
    { numRuns: 300 },
  );
});

/** The same text as people write it: other brackets and quotes, separators, colons before blocks, comments, one line. */
function laidOut(printed: string, pick: () => number): string {
  const open: string[] = [];
  const lines = printed.split("\n").map((line) => line.trim());
  return lines
    .map((line, index) => {
      const goesOn = line.endsWith(":") || lines[index + 1]?.startsWith('"') === true;
      if (line.endsWith(" {")) {
        const angle = pick() === 0;
        open.push(angle ? ">" : "}");
        return `${line.slice(0, -2)}${pick() === 0 ? ":" : ""}${angle ? "<" : "{"}`;
      }
      const end = goesOn ? "" : (["", ",", ";"][pick() % 3] ?? "");
      if (line === "}") return `${open.pop() ?? ""}${end}`;
      return line === "" ? "" : `${line}${end}`;
    })
    .map((line) => `${line}${[" ", "\n", '\t# a { " comment\n', "\r\n"][pick() % 4] ?? ""}`)
    .join("");
}

it("reads a suite however it is laid out", async () => {
  await fc.assert(
    fc.asyncProperty(
      record({ env, test: fc.array(test, { maxLength: 2 }) }, ["test"]),
      fc.infiniteStream(fc.nat({ max: 11 })),
      async (suite, picks) => {
        const layout = laidOut(printGoogleTests(suite), () => picks.next().value);
        const { suite: read } = await readGoogleTests(layout, "a.textpb");
        expect(read).toEqual(suite);
      },
    ),
    { numRuns: 200 },
  );
});

it("ends every text with a suite or a place, never otherwise", async () => {
  const piece = fc.constantFrom(
    "test",
    "env",
    "{",
    "}",
    "<",
    ">",
    "[",
    "]",
    ":",
    "'",
    '"',
    "\\",
    "#",
    "\n",
    ",",
    "-",
    "0x",
    "1.",
    " ",
    "name",
    "ä",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
      const read = await readGoogleTests(pieces.join(""), "a.textpb").catch((error: unknown) => error);
      const told = read instanceof Error ? read.message : "a.textpb:1:1: nothing";
      expect(told).toMatch(/^a\.textpb:\d+:\d+: /u);
    }),
    { numRuns: 1000 },
  );
});
