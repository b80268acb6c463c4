/** The letters of Envoy's response flags, the lowest bit first (its access log documentation, `%RESPONSE_FLAGS%`). */
const LETTERS: readonly string[] = [
  "LH",
  "UH",
  "UT",
  "LR",
  "UR",
  "UF",
  "UC",
  "UO",
  "NR",
  "DI",
  "FI",
  "RL",
  "UAEX",
  "RLSE",
  "DC",
  "URX",
  "SI",
  "IH",
  "DPE",
  "UMSDR",
  "RFCF",
  "NFCF",
  "DT",
  "UPE",
  "NC",
  "OM",
  "DF",
  "DO",
  "DR",
  "UDO",
];

/** Response flags by their letters, with commas: `UF,URX`. */
export function flagNames(flags: number): string {
  if (flags === 0) return "";
  return LETTERS.filter((_, bit) => (flags & (1 << bit)) !== 0).join(",");
}
