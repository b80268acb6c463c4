import { describe, expect, it } from "vitest";
import { runCli } from "../support/run-cli.ts";
import { type Refusal, runRefused } from "../support/refusal.ts";
import { tempDir } from "../support/temp-dir.ts";

const CODE = "COMMAND_LINE_INVALID";

/** Mistakes in the command line itself: words, what the sentence names, and the hint. */
const COMMAND_LINES: readonly (readonly [string, RegExp, (RegExp | false)?])[] = [
  ["frobnicate", /unknown command "frobnicate"/u, /there is .*init.*completion/u],
  ["pul x", /unknown command "pul"/u, /did you mean pull\?/u],
  ["lits", /unknown command "lits"/u, /did you mean list\?/u],
  ["help pusk", /unknown command "pusk"/u, /did you mean push\?/u],
  ["deploy istoi", /unknown command "deploy istoi"/u, /did you mean deploy istio\?/u],
  ["undeploy nowhere", /unknown command "undeploy nowhere"/u, /there is istio/u],
  ["--frob", /unknown option "--frob"/u],
  ["pull --frob x", /unknown option "--frob"/u],
  ["pull x --plain-htp", /unknown option "--plain-htp"/u, /did you mean --plain-http\?/u],
  ["list -x", /unknown option "-x"/u],
  ["list extra", /unexpected argument "extra"/u],
  ["pull a b", /unexpected argument "b"/u],
  ["tag a b c", /unexpected argument "c"/u],
  ["tag a", /missing required argument "target"/u],
  ["rm", /missing required argument "refs"/u],
  ["push", /missing required argument "ref"/u],
  ["pull", /missing required argument "ref"/u],
  ["inspect", /missing required argument "ref"/u],
  ["completion", /missing required argument "shell"/u],
  ["build precompiled -t a", /missing required argument "file"/u],
  ["deploy envoy", /missing required argument "image"/u],
  ["build .", /required option "-t, --tag <ref>"/u],
  ["build precompiled x.wasm", /required option "-t, --tag <ref>"/u],
  ["deploy istio a", /required option "--id <id>"/u],
  ["undeploy istio", /required option "--id <id>"/u],
  ["pull a --retry-budget", /option "--retry-budget <duration>" argument missing/u],
  ["push a --format tar", /--format "tar" is not one of oci, compat, cncf, auto/u],
  ["push a --format comapt", /--format "comapt" is not one of/u, /did you mean compat\?/u],
  ["build . -t a --builder docker", /--builder "docker" is not one of auto, native, npm/u],
  ["deploy istio a --id x --patch-context sideways", /--patch-context "sideways" is not one of inbound, outbound/u],
  ["deploy istio a --id x --via magic", /--via "magic" is not one of auto, envoyfilter/u],
  ["deploy istio a --id x --phase late", /--phase "late" is not one of authn, authz, stats/u],
  ["deploy istio a --id x --fail maybe", /--fail "maybe" is not one of closed, open, reload/u],
];

describe("mistakes in the command line show what was wrong and a usage line", () => {
  it.each(COMMAND_LINES.map(([line, ...rest]) => ({ line, rest })))("wasme $line", async ({ line, rest }) => {
    const [says, hint] = rest;
    const refusal = { exit: 2, code: CODE, says, usage: true, ...(hint === undefined ? {} : { hint }) };
    expect(await runRefused(line.split(" "), { home: tempDir() }, refusal)).toMatchObject({ code: CODE });
  });

  it("names the required option in the usage line", async () => {
    const { stderr } = await runCli(["build", "precompiled", "x.wasm"], { home: tempDir() });
    expect(stderr).toContain("Usage: wasme build precompiled [options] -t <ref> <file>\n");
    expect(stderr).toMatch(/^Hint: for example: wasme build precompiled \S+ -t /mu);
  });

  it("an output format that does not exist", async () => {
    const { code, stdout, stderr } = await runCli(["list", "-o", "xml"], { home: tempDir() });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(
      /^Error: --output "xml" is not one of text, json, yaml, name\nUsage: wasme list \[options\]\n$/u,
    );
  });
});

/** Values that are no number, duration, label, …: the sentence names the flag and the value. */
const VALUES: readonly (readonly [string, Refusal])[] = [
  ["pull a --retry-budget 5", { exit: 2, code: "DURATION_INVALID", says: /--retry-budget "5" is not a duration/u }],
  ["push a --retry-budget -1s", { exit: 2, code: "DURATION_INVALID", says: /--retry-budget "-1s"/u }],
  [
    "deploy istio a --id x --timeout soon",
    { exit: 2, code: "DURATION_INVALID", says: /--timeout "soon" is not a duration/u, hint: /30s, 5m/u },
  ],
  [
    "deploy istio a --id x --cache-timeout 1x",
    { exit: 2, code: "DURATION_INVALID", says: /--cache-timeout "1x" is not a duration/u },
  ],
  [
    "deploy istio a --id x --priority ten",
    { exit: 2, code: "NUMBER_INVALID", says: /--priority "ten" is not a whole number/u, hint: false },
  ],
  [
    "deploy istio a --id x --priority 99999999999",
    { exit: 2, code: "NUMBER_INVALID", says: /--priority "99999999999"/u, hint: false },
  ],
  [
    "deploy istio a --id x -t pod",
    { exit: 2, code: "WORKLOAD_TYPE_INVALID", says: /--workload-type "pod"/u, hint: /deployment, daemonset/u },
  ],
  ["deploy istio a --id x -l app", { exit: 2, code: "LABEL_INVALID", says: /--labels "app" is not key=value/u }],
  ["deploy istio a --id x -l app=web,", { exit: 2, code: "LABEL_INVALID", says: /--labels "" is not key=value/u }],
  ["undeploy istio --id x -l app=!", { exit: 2, code: "LABEL_INVALID", says: /--labels "app=!"/u }],
  [
    "deploy istio a --id x -l app=a,app=b",
    { exit: 2, code: "LABEL_INVALID", says: /app=a and app=b at once/u, hint: false },
  ],
  ["deploy istio a --id Bad_Id", { exit: 2, code: "FILTER_ID_INVALID", says: /"Bad_Id"/u, hint: /--id bad-id/u }],
  ["undeploy istio --id Bad_Id", { exit: 2, code: "FILTER_ID_INVALID", says: /"Bad_Id"/u, hint: /--id bad-id/u }],
  [
    "deploy istio a --id x --dry-run",
    { exit: 2, code: "DRY_RUN_INVALID", says: /--dry-run/u, hint: /--dry-run=client/u },
  ],
  [
    "deploy istio a --id x --dry-run=maybe",
    { exit: 2, code: "DRY_RUN_INVALID", says: /--dry-run "maybe"/u, hint: /--dry-run=client/u },
  ],
  [
    "undeploy istio --id x --dry-run=client",
    { exit: 2, code: "DRY_RUN_INVALID", says: /without asking the cluster/u, hint: /--dry-run=server/u },
  ],
  ["deploy istio a --id x -n Bad_NS", { exit: 2, code: "NAMESPACE_INVALID", says: /--namespace "Bad_NS"/u }],
  ["completion tcsh", { exit: 2, code: "SHELL_UNKNOWN", says: /"tcsh"/u, hint: /bash, zsh/u }],
  ["build cobol . -t a", { exit: 2, code: "LANGUAGE_UNKNOWN", says: /"cobol"/u, hint: /assemblyscript/u }],
  ["build cobol -t a", { exit: 2, code: "SOURCE_UNKNOWN", says: /"cobol"/u, hint: /assemblyscript/u }],
  ["build precompild f.wasm -t a", { exit: 2, code: "LANGUAGE_UNKNOWN", says: /"precompild"/u, hint: /precompiled/u }],
  ["init p --language cobol", { exit: 2, code: "LANGUAGE_UNKNOWN", says: /"cobol"/u, hint: /assemblyscript/u }],
  [
    "init p --language assemblyscript --template nope",
    { exit: 2, code: "TEMPLATE_UNKNOWN", says: /no template "nope"/u, hint: /add-header/u },
  ],
  ["pull localhost:99999/a", { exit: 2, code: "REFERENCE_INVALID", says: /"localhost:99999" is not a registry host/u }],
  ["login 256.1.1.1 -u a --password=b", { exit: 2, code: "REGISTRY_INVALID", says: /"256.1.1.1" is not a registry/u }],
  ["login", { exit: 2, code: "SERVER_MISSING", says: /no registry named/u, hint: /ghcr.io/u }],
  ["logout", { exit: 2, code: "SERVER_MISSING", says: /no registry named/u, hint: /ghcr.io/u }],
  ["login ghcr.io/acme/auth -u a -p b", { exit: 2, code: "REGISTRY_INVALID", says: /"ghcr.io\/acme\/auth"/u }],
  ["pull localhost:5000/a -u me", { exit: 2, code: "CREDENTIAL_INCOMPLETE", says: /password is missing/u }],
  [
    "registry htpasswd alice --password=",
    { exit: 2, code: "PASSWORD_EMPTY", says: /--password is empty/u, hint: /printf/u },
  ],
  [
    "pull localhost:5000/a --password-stdin",
    { exit: 2, code: "PASSWORD_EMPTY", says: /stdin holds no password/u, hint: /--password-stdin/u },
  ],
  [
    "cache serve a.example/b:v1 --hold 2m",
    { exit: 2, code: "DURATION_INVALID", says: /--hold is longer than 50s/u, hint: /15 s/u },
  ],
  [
    "cache serve a.example/b:v1 --max-held many",
    { exit: 2, code: "NUMBER_INVALID", says: /--max-held "many" is not a whole number/u, hint: false },
  ],
  [
    "cache serve a.example/b:v1 --max-held -1",
    { exit: 2, code: "NUMBER_INVALID", says: /--max-held -1 is less than 0/u, hint: false },
  ],
  [
    "pull localhost:5000/a -u a -p b --password-stdin",
    { exit: 2, code: "CREDENTIAL_TWICE", says: /exclude each other/u, hint: false },
  ],
];

describe("values that make no sense name the flag and the value", () => {
  it.each(VALUES)("wasme %s", async (line, refusal) => {
    expect(await runRefused(line.split(" "), { home: tempDir() }, refusal)).toMatchObject({ code: refusal.code });
  });
});

/** Every command that takes a reference, with `?` where it stands. */
const TAKE_REFERENCE: readonly string[] = [
  "build precompiled filter.wasm -t ?",
  "build . -t ?",
  "tag ? a",
  "tag a ?",
  "rm ?",
  "rm a ?",
  "inspect ?",
  "inspect --remote ?",
  "push ?",
  "pull ?",
  "deploy istio ? --id x",
  "deploy istio ? --id x --dry-run=client",
  "deploy envoy ?",
];

const BAD_REFERENCES: readonly string[] = [
  "",
  " ",
  "a:",
  "a@sha256:12",
  "http://ghcr.io/a",
  "-",
  "a//b",
  "a:b:c",
  `a:${"t".repeat(129)}`,
  "a\u001b[31m",
];

describe("a reference that is none", () => {
  it.each(TAKE_REFERENCE)("wasme %s", async (line) => {
    const words = line.split(" ").map((word) => (word === "?" ? "ghcr.io/Acme/auth:v1" : word));
    const refusal = { ...NO_REFERENCE, says: /"ghcr.io\/Acme\/auth:v1".*lower case/u, hint: /looks like/u };
    expect(await runRefused(words, { home: tempDir() }, refusal)).toMatchObject({ code: NO_REFERENCE.code });
  });

  it.each(BAD_REFERENCES)("%j", async (reference) => {
    const refusal = { ...NO_REFERENCE, says: /reference/u, hint: /.+/u };
    expect(await runRefused(["pull", "--", reference], { home: tempDir() }, refusal)).toMatchObject({
      code: NO_REFERENCE.code,
    });
  });
});

const NO_REFERENCE = { exit: 2, code: "REFERENCE_INVALID" };
