import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Measurements, one file at a time: they print ratios and pass or fail on nothing but a command that breaks. */
const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/bench/*.bench.ts"],
    fileParallelism: false,
    disableConsoleIntercept: true,
    testTimeout: 1_800_000,
    hookTimeout: 600_000,
  },
});
export default config;
