import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/components/global-setup.ts"],
    reporters: ["default", "./test/support/summary-reporter.ts"],
    // Two cores in CI: more workers would only make timeouts of real components more likely.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text-summary"] },
  },
});
export default config;
