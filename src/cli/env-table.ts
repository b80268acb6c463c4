/** A variable wasme honours. */
export interface EnvVariable {
  readonly name: string;
  readonly meaning: string;
}

/** Every environment variable wasme reads; `docs/reference/env.md` is made of it and a test holds the code to it. */
export const ENV_TABLE: readonly EnvVariable[] = [
  { name: "WASME_HOME", meaning: "folder for everything wasme keeps; default `~/.wasme`" },
  { name: "WASM_IMAGE_REGISTRY", meaning: "server of `login`, `logout` and `list --published` when none is named" },
  { name: "WASME_USE_PODMAN", meaning: "non-empty: use `podman` where a container engine is needed, not `docker`" },
  { name: "ENVOY_PATH", meaning: "the Envoy program `deploy envoy` runs" },
  { name: "NO_COLOR", meaning: "non-empty: no colours" },
  { name: "FORCE_COLOR", meaning: "colours even when the output is not a terminal; `0` for none" },
  { name: "TERM", meaning: "`dumb`: no colours and no live progress" },
  { name: "CI", meaning: "set: no live progress, no prompts" },
  { name: "HTTP_PROXY", meaning: "proxy for plain http requests; lower case works too" },
  { name: "HTTPS_PROXY", meaning: "proxy for https requests; lower case works too" },
  { name: "NO_PROXY", meaning: "hosts that are reached without a proxy; lower case works too" },
  { name: "NODE_EXTRA_CA_CERTS", meaning: "PEM file with certificate authorities to trust beside the built-in ones" },
  { name: "SSL_CERT_FILE", meaning: "`deploy envoy --upstream https://…`: the certificate authorities Envoy trusts" },
  { name: "DOCKER_CONFIG", meaning: "folder of Docker's `config.json`; default `~/.docker`" },
  { name: "DOCKER_AUTH_CONFIG", meaning: "credentials as JSON, in the form of Docker's `config.json`" },
  { name: "REGISTRY_AUTH_FILE", meaning: "credentials file in the form podman and skopeo use" },
  { name: "XDG_RUNTIME_DIR", meaning: "where `containers/auth.json` is looked for" },
  { name: "XDG_CONFIG_HOME", meaning: "where `containers/auth.json` is looked for next" },
  { name: "KUBECONFIG", meaning: "kubeconfig files, as for `kubectl`" },
  { name: "KUBERNETES_SERVICE_HOST", meaning: "set inside a pod: the cluster, when there is no kubeconfig" },
  { name: "KUBERNETES_SERVICE_PORT", meaning: "set inside a pod: its port" },
  { name: "NODE_NAME", meaning: "set inside a pod of the node cache: its node; default the name of this machine" },
  { name: "POD_NAME", meaning: "set inside a pod of a long-running program: its name" },
  { name: "POD_NAMESPACE", meaning: "set inside a pod of the operator: its namespace" },
  { name: "WATCH_NAMESPACES", meaning: "namespaces the operator looks after, separated by commas; all when empty" },
  { name: "POD_UID", meaning: "set inside a pod of the node cache: its uid, which owns what it reports" },
  { name: "SOURCE_DATE_EPOCH", meaning: "time, in seconds since 1970, written into images that are made or converted" },
  { name: "GOTMPDIR", meaning: "where go builds; a folder in it is used, and removed" },
  {
    name: "NPM_OUTPUT",
    meaning: "the module that an npm project's build script writes, for builder images of the old tool",
  },
  { name: "CARGO_HOME", meaning: "cargo's own folder, default `~/.cargo`; its path is taken out of Rust modules" },
  { name: "RUSTC", meaning: "the Rust compiler that cargo uses; `rustc` when absent" },
  { name: "RUSTFLAGS", meaning: "flags of the Rust compiler, kept by `build`" },
  { name: "CARGO_ENCODED_RUSTFLAGS", meaning: "the same in cargo's encoding; goes before `RUSTFLAGS`" },
  { name: "CARGO_BUILD_RUSTFLAGS", meaning: "`build.rustflags` of cargo's configuration, kept by `build`" },
  { name: "CARGO_BUILD_TARGET", meaning: "the target of a Rust build, if it is one that proxies load" },
  { name: "WASI_SDK_PATH", meaning: "folder of a wasi-sdk that builds C++; default `/opt/wasi-sdk`" },
  { name: "WASI_SYSROOT", meaning: "sysroot of WASI for the `clang++` that builds C++" },
  { name: "TMPDIR", meaning: "folder for temporary files" },
];
