import type { Observation } from "./scenario.ts";

/** A place where the two differ; a side that has no such line is undefined. */
export interface Difference {
  readonly part: keyof Observation;
  readonly envoy: string | undefined;
  readonly host: string | undefined;
}

/** What of two observations differs, line by line. */
export function differences(envoy: Observation, host: Observation): Difference[] {
  return (["client", "upstream", "log", "metrics"] as const).flatMap((part) =>
    differingLines(envoy[part].map(comparable), host[part].map(comparable)).map(([one, other]) => ({
      part,
      envoy: one,
      host: other,
    })),
  );
}

/** A line without what cannot be equal in two runs: ports, ids, times. */
function comparable(line: string): string {
  return line
    .replace(/(_queue .*-> 0) \d+$|(queue #\d+) \d+$/, "$1$2 (queue)") // numbers of a process
    .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
    .replaceAll(/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g, "(id)")
    .replaceAll(/(x-envoy-upstream-service-time: )"\d+/g, '$1"(time)')
    .replace(/(?<=prop_map .* -> 0 \{).*(?=\})/, (map) => map.split(", ").toSorted().join(", "))
    .replaceAll(/(date: )"[^"]*GMT"/g, '$1"(date)"');
}

type Pair = readonly [string | undefined, string | undefined];

/** The lines that are not in both, by their longest common subsequence; neighbours side by side. */
function differingLines(one: readonly string[], other: readonly string[]): Pair[] {
  const common = commonLines(one, other);
  const found: Pair[] = [];
  let first = 0;
  let second = 0;
  for (const [at, against] of [...common, [one.length, other.length] as const]) {
    const left = one.slice(first, at);
    const right = other.slice(second, against);
    for (let index = 0; index < Math.max(left.length, right.length); index += 1)
      found.push([left[index], right[index]]);
    first = at + 1;
    second = against + 1;
  }
  return found;
}

/** Where the lines of a longest common subsequence stand in each. */
function commonLines(one: readonly string[], other: readonly string[]): (readonly [number, number])[] {
  const length = lengthsOfCommon(one, other);
  const pairs: (readonly [number, number])[] = [];
  let at = 0;
  let against = 0;
  while (at < one.length && against < other.length) {
    if (one[at] === other[against]) pairs.push([at++, against++]);
    else if (length(at + 1, against) >= length(at, against + 1)) at += 1;
    else against += 1;
  }
  return pairs;
}

/** How many lines are common from two places on. */
function lengthsOfCommon(one: readonly string[], other: readonly string[]): (at: number, against: number) => number {
  const width = other.length + 1;
  const lengths = new Uint32Array((one.length + 1) * width);
  const length = (at: number, against: number): number => lengths[at * width + against] ?? 0;
  for (let at = one.length - 1; at >= 0; at -= 1) {
    for (let against = other.length - 1; against >= 0; against -= 1) {
      const same = one[at] === other[against];
      lengths[at * width + against] = same
        ? length(at + 1, against + 1) + 1
        : Math.max(length(at + 1, against), length(at, against + 1));
    }
  }
  return length;
}
