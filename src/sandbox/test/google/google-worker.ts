import { serveWorker } from "../../../isolate/serve-worker.ts";
import type { HostModule } from "../../../host/host-module.ts";
import { runGoogleCase } from "./run-google-case.ts";
import type { GoogleSuite } from "./runner-schema.ts";

/** What the thread that runs the tests of one file is born with. */
export interface GoogleWorkerData {
  readonly module: HostModule;
  readonly configuration: Uint8Array;
  readonly suite: GoogleSuite;
  /** The files its tests name: content as a string of bytes, or why there is none. */
  readonly files: ReadonlyMap<string, ReadFile>;
}

/** A file as it was read. */
export type ReadFile = { readonly content: string } | { readonly problem: string };

/** Which test to run: its place in the file. */
export interface GoogleWorkerRequest {
  readonly index: number;
}

serveWorker(({ data, heartbeat }) => {
  const { module, configuration, suite, files } = data as GoogleWorkerData;
  const readFile = (path: string): string => {
    const file = files.get(path);
    if (file !== undefined && "content" in file) return file.content;
    throw new Error(file?.problem ?? `there is no file ${path}`);
  };
  return (message) => {
    const { index } = message as GoogleWorkerRequest;
    const test = suite.test[index];
    if (test === undefined) throw new Error(`there is no test ${index}`);
    return runGoogleCase({ module, configuration, env: suite.env, test, index, readFile, heartbeat });
  };
});
