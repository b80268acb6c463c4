import { buildProject, needGo } from "../integration/toolchain-support.ts";
import { initialised } from "./in-envoy/initialised.ts";
import { describeTemplates } from "./in-envoy/suite.ts";

await describeTemplates("go", async (context, { name }) => {
  const env = await needGo(context);
  return (await buildProject({ language: "go", source: await initialised("go", name), env })).bytes;
});
