import { templateProject } from "../integration/build-support.ts";
import { buildProject } from "../integration/toolchain-support.ts";
import { describeTemplates } from "./in-envoy/suite.ts";

await describeTemplates("assemblyscript", async (context, { name }) => {
  const source = await templateProject(context, name, name);
  return (await buildProject({ language: "assemblyscript", source })).bytes;
});
