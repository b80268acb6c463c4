import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { buildCpp, cppProject } from "../components/cpp.ts";
import { need } from "../components/require-component.ts";
import { tempDir } from "../support/temp-dir.ts";
import { describeTemplates } from "./in-envoy/suite.ts";

await describeTemplates("cpp", async (context, template) => {
  const source = join(tempDir(), template.name);
  await mkdir(source);
  await need(context, "clang", () => cppProject(template.folders, source));
  const { modulePath } = await buildCpp(source, join(tempDir(), "out"));
  return await readFile(modulePath);
});
