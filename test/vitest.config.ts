import { defineConfig, type ViteUserConfig } from "vitest/config";
import { inCi } from "./components/missing.ts";
import LongFirst from "./support/long-first.ts";

/** Holds for every test. */
const all = {
  root: new URL("..", import.meta.url).pathname,
  // One: docs/decisions/0006-second-try.md. The reporter names every test that needed it.
  retry: inCi() ? 1 : 0,
  testTimeout: 60_000,
  hookTimeout: 180_000,
  // A second, which is the default, is a moment of a busy machine.
  expect: { poll: { timeout: 30_000 } },
  // Two cores in CI: more workers would only make timeouts of real components more likely.
  maxWorkers: 2,
};
/** Two hundred small files: a process of its own for each, and reading the sources anew, would take longer than its tests. */
const light = ["test/{judge,property,unit}/**/*.test.ts"];
/** Except those that measure the memory of their process: what others left free in it would hide what they look for. */
const measured = [
  "test/**/*.soak.test.ts",
  "test/property/{archives,registry-answers}.test.ts",
  "test/unit/images/hostile-images.test.ts",
];
// `quick` leaves out kill loops, soaks and toolchain matrices: for a second run on another Node.
const leftOut = process.env["WASME_TEST_LEVEL"] === "quick" ? ["test/**/*.{chaos,soak,matrix}.test.ts"] : [];

const config: ViteUserConfig = defineConfig({
  test: {
    ...all,
    globalSetup: ["test/components/global-setup.ts"],
    reporters: ["default", "./test/support/summary-reporter.ts"],
    sequence: { sequencer: LongFirst },
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text-summary"] },
    projects: [
      {
        test: {
          ...all,
          name: "alone",
          include: ["test/!(judge|property|unit)/**/*.test.ts", ...measured],
          exclude: leftOut,
        },
      },
      { test: { ...all, name: "light", include: light, exclude: [...measured, ...leftOut], isolate: false } },
    ],
  },
});
export default config;
