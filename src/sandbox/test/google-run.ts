import { dirname, resolve } from "node:path";
import type { CaseResult } from "./case-result.ts";
import { isGoogleTestFile, readGoogleTests } from "./google/read-google-tests.ts";
import { runGoogleTests } from "./google/run-google-tests.ts";
import type { FindModule } from "./plan-cases.ts";
import type { RunTestsRequest } from "./run-tests.ts";

type Request = RunTestsRequest & { readonly find: FindModule };

/** Reads a test file of Google's plugin tester; `undefined` when it is none. Throws `TEST_FILE_INVALID` (usage). */
export async function googleRun(
  text: string,
  path: string,
  cwd: string,
): Promise<{ run(request: Request, tell: (result: CaseResult) => void): Promise<void> } | undefined> {
  if (!isGoogleTestFile(text, path)) return undefined;
  const file = await readGoogleTests(text, path);
  return {
    run: async ({ find, module, config, name, timeoutMs }, tell) => {
      const named = (file.suite.env?.wasmPath ?? "") !== "";
      const wanted = module ?? (named ? undefined : { folder: dirname(resolve(cwd, path)) });
      const found = wanted === undefined ? undefined : await find(wanted);
      await runGoogleTests(file, {
        cwd,
        module: found?.bytes,
        configuration: config === undefined ? undefined : new TextEncoder().encode(config),
        select: name === undefined ? undefined : (test) => name.test(test),
        hardLimitMs: timeoutMs,
        onResult: tell,
      });
    },
  };
}
