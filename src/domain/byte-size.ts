const UNIT: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Bytes of a size as people write it: `8MiB`, `5MB`, `65536`; `undefined` when it is none, or beyond exact numbers. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmg]?i?b)?$/iu.exec(text.trim());
  const factor = UNIT[match?.[2]?.toLowerCase() ?? ""];
  if (match === null || factor === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
