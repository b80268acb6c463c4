/** A range as `content-range` of an upload writes it, both ends included. */
export interface InclusiveRange {
  readonly start: number;
  readonly end: number;
}

/** Parses `START-END`; `undefined` when it is nothing of the kind. */
export function parseRange(text: string): InclusiveRange | undefined {
  const match = /^(\d+)-(\d+)$/u.exec(text.trim());
  if (match === null) return undefined;
  const [start, end] = [Number(match[1]), Number(match[2])];
  return end < start ? undefined : { start, end };
}

/**
 * What a `range` header asks of `size` bytes (RFC 9110 section 14): `undefined` for the whole (no header, another unit,
 * several ranges: we may ignore those), `unsatisfiable` for a part that does not exist.
 */
export function requestedRange(header: string | undefined, size: number): InclusiveRange | undefined | "unsatisfiable" {
  const match = /^bytes=(?<first>\d*)-(?<last>\d*)$/u.exec(header?.trim() ?? "");
  const { first = "", last = "" } = match?.groups ?? {};
  if (first === "" && last === "") return undefined;
  const asked = first === "" ? lastBytes(Number(last), size) : fromTo(Number(first), last, size);
  return asked.start >= size || asked.end < asked.start ? "unsatisfiable" : asked;
}

function lastBytes(count: number, size: number): InclusiveRange {
  return { start: Math.max(0, size - count), end: size - 1 };
}

function fromTo(start: number, last: string, size: number): InclusiveRange {
  return { start, end: last === "" ? size - 1 : Math.min(Number(last), size - 1) };
}
