/** How a module was built. Travels in the image as manifest annotations, for people who have only the image. */
export interface BuildFacts {
  /** `rust`, `assemblyscript`, … */
  readonly language: string;
  /** Compiler and version: `rustc 1.95.0`. */
  readonly compiler: string;
  /** SDK and version where the project names one: `proxy-wasm 0.2.5`. */
  readonly sdk?: string;
  /** Compilation target where there is a choice: `wasm32-wasip1`. */
  readonly target?: string;
  /** What ran over the module after the compiler: `binaryen 132.0.0 -Oz`. */
  readonly optimizer?: string;
  /** Which way it was built: by a tool on the machine, by the project's npm packages, or in a container. */
  readonly builder: "native" | "npm" | "container";
  /** Hash over the sources and options that went in, where wasme works one out: `sha256:…`. */
  readonly inputHash?: string;
}

/** The manifest annotations that say them. */
export function buildAnnotations(facts: BuildFacts): Record<string, string> {
  const entries = Object.entries(facts) as [keyof BuildFacts, string | undefined][];
  return Object.fromEntries(entries.flatMap(([fact, value]) => (value === undefined ? [] : [[KEYS[fact], value]])));
}

/** What a manifest's annotations say of how its module was built; `undefined` when they do not name a language. */
export function readBuildFacts(annotations: Readonly<Record<string, string>>): Partial<BuildFacts> | undefined {
  const told = Object.entries(KEYS).flatMap(([fact, key]) => {
    const value = annotations[key];
    return value === undefined ? [] : [[fact, value]];
  });
  return annotations[KEYS.language] === undefined ? undefined : (Object.fromEntries(told) as Partial<BuildFacts>);
}

/** The manifest annotation of each fact. */
const KEYS: Readonly<Record<keyof BuildFacts, string>> = {
  language: "wasme.io/build.language",
  compiler: "wasme.io/build.compiler",
  sdk: "wasme.io/build.sdk",
  target: "wasme.io/build.target",
  optimizer: "wasme.io/build.optimizer",
  builder: "wasme.io/build.builder",
  inputHash: "wasme.io/build.input-hash",
};
