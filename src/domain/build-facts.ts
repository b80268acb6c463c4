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

/** The manifest annotation of each fact. */
export const BUILD_FACT_KEYS: Readonly<Record<keyof BuildFacts, string>> = {
  language: "wasme.io/build.language",
  compiler: "wasme.io/build.compiler",
  sdk: "wasme.io/build.sdk",
  target: "wasme.io/build.target",
  optimizer: "wasme.io/build.optimizer",
  builder: "wasme.io/build.builder",
  inputHash: "wasme.io/build.input-hash",
};
