const UNITS: readonly string[] = ["kB", "MB", "GB", "TB"];

/** Bytes in SI units, as the old tool and docker print them: `30.0 kB`, `512 B`. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.95 && unit < UNITS.length - 1);
  return `${value.toFixed(1)} ${UNITS[unit] ?? ""}`;
}
