import { join } from "node:path";
import { buildProject, needRust } from "../integration/toolchain-support.ts";
import { cacheRoot } from "../components/cache.mjs";
import { initialised } from "./templates/initialised.ts";
import { describeTemplates } from "./templates/suite.ts";

await describeTemplates("rust", async (context, { name }) => {
  await needRust(context);
  // All projects share what is compiled of their crates.
  const env = { ...process.env, CARGO_TARGET_DIR: join(cacheRoot(), "rust-target", "templates") };
  return (await buildProject({ language: "rust", source: await initialised("rust", name), env })).bytes;
});
