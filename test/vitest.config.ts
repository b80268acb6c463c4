import { defineConfig, type ViteUserConfig } from "vitest/config";
import { inCi } from "./components/missing.ts";
import LongFirst from "./support/long-first.ts";

const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    // `quick` leaves out kill loops, soaks and toolchain matrices: for a second run on another Node.
    exclude: process.env["WASME_TEST_LEVEL"] === "quick" ? ["test/**/*.{chaos,soak,matrix}.test.ts"] : [],
    globalSetup: ["test/components/global-setup.ts"],
    reporters: ["default", "./test/support/summary-reporter.ts"],
    // Two cores in CI: more workers would only make timeouts of real components more likely.
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    // One: docs/decisions/0006-second-try.md. The reporter names every test that needed it.
    retry: inCi() ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text-summary"] },
  },
});
export default config;
