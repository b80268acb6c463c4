/**
 * wasme as a library: the use cases behind the commands. Each is `fn(deps, request, events?)` and throws
 * {@link WasmeError}. The OCI registry client alone is `wasme/oci`.
 */
export { WasmeError } from "./domain/errors.ts";
export type { EventSink, ProgressEvent } from "./domain/events.ts";
export { formatReference, type ImageReference, parseImageReference } from "./domain/image-reference.ts";
export { openStore, type ImageStore } from "./store/image-store.ts";
export { checkModule } from "./wasm/check-module.ts";
export type { ModuleReport } from "./wasm/module-report.ts";
export { importImage } from "./images/import-image.ts";
export { listImages } from "./images/list-images.ts";
export { pushImage } from "./images/push-image.ts";
export { pullImage } from "./images/pull-image.ts";
export { saveImages } from "./images/save-image.ts";
export { loadImages } from "./images/load-image.ts";
export { verifyStore } from "./images/verify-store.ts";
export { convertImage } from "./images/convert-image.ts";
export { resolveImage } from "./images/resolve-image.ts";
export { deployIstio } from "./deploy/deploy-istio.ts";
export {
  type RegistryAuth,
  type RegistryServer,
  type RegistryServerOptions,
  startRegistryServer,
} from "./hub/registry-server.ts";
export { undeployIstio } from "./deploy/undeploy-istio.ts";
export type { CaseResult, Failure, TestReport } from "./sandbox/test/case-result.ts";
export type { TestFile } from "./sandbox/test/model.ts";
export type { ExchangeResult } from "./sandbox/test/model-result.ts";
export { openFilter, type OpenFilter, type OpenFilterOptions } from "./sandbox/test/open-filter.ts";
export { runTestFile, type RunTestFileOptions } from "./sandbox/test/run-test-file.ts";
