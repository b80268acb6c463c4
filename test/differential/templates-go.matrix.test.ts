import { buildProject, needGo } from "../integration/toolchain-support.ts";
import { initialised } from "./templates/initialised.ts";
import { describeTemplates } from "./templates/suite.ts";

await describeTemplates("go", async (context, { name }) => {
  const env = await needGo(context);
  return (await buildProject({ language: "go", source: await initialised("go", name), env })).bytes;
});
