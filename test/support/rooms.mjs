/**
 * The floors of the house, lowest first: a file may import its own room or any room on a lower floor.
 * The linter's restricted imports and the architecture test both read this one array.
 */
export const floors = [
  ["domain"],
  ["platform", "wasm"],
  ["store", "registry", "toolchain", "scaffold", "host", "mesh", "kube"],
  ["isolate"],
  ["images", "controller"],
  ["deploy", "sandbox"],
  ["operator", "cache", "hub"],
  ["cli"],
];
