import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO_WASM } from "../support/modules.ts";
import { aptProgram } from "../components/apt.ts";
import { need } from "../components/require-component.ts";
import { runCli } from "../support/run-cli.ts";
import { makeTempDir, tempDir } from "../support/temp-dir.ts";

const BIN = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
let home: string;

/** A home with `wasme` in its PATH, images with and without a port, and some files. */
beforeAll(async () => {
  home = makeTempDir("wasme-completion-");
  mkdirSync(join(home, "bin"));
  writeFileSync(join(home, "bin/wasme"), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`);
  chmodSync(join(home, "bin/wasme"), 0o755);
  mkdirSync(join(home, "folder with space"));
  writeFileSync(join(home, "filter.wasm"), "");
  writeFileSync(join(home, "filter.json"), "");
  const first = ["build", "precompiled", HELLO_WASM, "-t", "localhost:5000/team/hello:v1"];
  const others = ["localhost:5000/team/hello:v2", "ghcr.io/acme/auth:v1"].map((name) => [
    "tag",
    first.at(-1) ?? "",
    name,
  ]);
  for (const args of [first, ...others]) {
    const { code, stderr } = await runCli(args, { home });
    if (code !== 0) throw new Error(stderr);
  }
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** What bash would put in place of the last word, with its usual word breaks: `:` and `=` end a word. */
function bash(line: string, wordBreaks = " \t\n\"'><=;|&(:"): string[] {
  const script = `
    COMP_WORDBREAKS="$2"
    source <(wasme completion bash)
    # Split as readline does: blanks separate, breaks are words of their own.
    mapfile -t COMP_WORDS < <(split_line "$1")
    COMP_LINE="$1"; COMP_POINT=\${#1}; COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
    _wasme
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const split = `
    split_line() {
      local text="$1" word="" i c kind="" now
      for ((i = 0; i < \${#text}; i++)); do
        c="\${text:i:1}"
        if [[ "$c" == " " ]]; then
          if [[ -n "$word" ]]; then echo "$word"; fi
          word=""; kind=""
          continue
        fi
        if [[ "$COMP_WORDBREAKS" == *"$c"* ]]; then now=break; else now=word; fi
        if [[ -n "$word" && "$kind" != "$now" ]]; then echo "$word"; word=""; fi
        word+="$c"; kind="$now"
      done
      if [[ "$kind" == break ]]; then echo "$word"; word=""; fi
      echo "$word"
    }`;
  return run("bash", ["--norc", "--noprofile", "-c", split + script, "bash", line, wordBreaks]);
}

function run(shell: string, args: readonly string[]): string[] {
  const { status, stdout, stderr, error } = spawnSync(shell, args, {
    cwd: home,
    env: { PATH: `${join(home, "bin")}:${process.env["PATH"] ?? ""}`, HOME: home, TERM: "dumb" },
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter((each) => each !== "");
}

describe("bash", () => {
  it.each([
    ["wasme pu", ["push", "pull"]],
    ["wasme deploy ", ["istio", "envoy"]],
    ["wasme un", ["undeploy"]],
    ["wasme -o json un", ["undeploy"]],
    ["wasme push --for", ["--format"]],
    ["wasme push --format ", ["oci", "compat", "cncf", "auto"]],
    ["wasme push -o j", ["json"]],
    ["wasme deploy istio x --via w", ["wasmplugin"]],
    ["wasme push ghcr", ["ghcr.io/acme/auth:v1"]],
    ["wasme push ghcr.io/acme/auth:", ["v1"]],
    ["wasme push localhost:5000/te", ["5000/team/hello:v1", "5000/team/hello:v2"]],
    ["wasme push localhost:5000/team/hello:v", ["v1", "v2"]],
    ["wasme tag localhost:5000/team/hello:v1 gh", ["ghcr.io/acme/auth:v1"]],
    ["wasme push --format=co", ["compat"]],
    ["wasme build precompiled fil", ["filter.json", "filter.wasm"]],
    ["wasme build precompiled filter.wasm -t a -c filter.j", ["filter.json"]],
    ["wasme build fol", ["folder with space"]],
    ["wasme run fil", ["filter.json", "filter.wasm"]],
    ["wasme check gh", ["ghcr.io/acme/auth:v1"]],
    ["wasme bench filter.wasm --against fo", ["folder with space"]],
    ["wasme bench filter.wasm --test filter.j", ["filter.json"]],
    ["wasme test -m gh", ["ghcr.io/acme/auth:v1"]],
    ["wasme init --language ass", ["assemblyscript"]],
    ["wasme init --language assemblyscript --template bl", ["block-redirect"]],
    ["wasme init --template=metrics", ["metrics-log"]],
    ["wasme init --template fold", ["folder with space"]],
    ["wasme completion z", ["zsh"]],
    ["wasme pull nothing-like-it", []],
    ["wasme frob ", []],
  ])("%j", (line, expected) => {
    expect(bash(line).toSorted()).toEqual(expected.toSorted());
  });

  it("gives whole words when ':' and '=' are no word breaks", () => {
    expect(bash("wasme push localhost:5000/team/hello:v", " \t\n")).toEqual([
      "localhost:5000/team/hello:v1",
      "localhost:5000/team/hello:v2",
    ]);
    expect(bash("wasme push --format=co", " \t\n")).toEqual(["--format=compat"]);
  });

  it("offers all commands and no hidden option", () => {
    expect(bash("wasme ")).toEqual(expect.arrayContaining(["init", "build", "list", "deploy", "completion"]));
    expect(bash("wasme build -")).not.toContain("--config");
  });
});

describe("other shells", () => {
  it.for([
    ["zsh", ["-f", "-c", "compdef() { :; }; source <(wasme completion zsh); whence -w _wasme"], ["_wasme: function"]],
    [
      "fish",
      ["--no-config", "-c", "wasme completion fish | source; complete -C 'wasme pul'"],
      ["pull\tDownload an image from a registry"],
    ],
  ] as const)("%s", async ([shell, args, expected], context) => {
    const program = await need(context, shell, () => aptProgram(shell));
    expect(run(program, args)).toEqual(expected);
  });

  it("zsh and fish scripts are whole: every shell has one that names the command", async () => {
    for (const shell of ["bash", "zsh", "fish", "powershell"]) {
      const { code, stdout, stderr } = await runCli(["completion", shell], { home: tempDir() });
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("__complete");
    }
  });
});

describe("the fast path behind the scripts", () => {
  it("prints candidates, then what files to add, and never an error", async () => {
    const { code, stdout, stderr } = await runCli(["__complete", "pul"], { home });
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: "pull\tDownload an image from a registry\n:none\n",
      stderr: "",
    });
    const broken = tempDir();
    mkdirSync(join(broken, ".wasme/images"), { recursive: true });
    writeFileSync(join(broken, ".wasme/images/index.json"), "{");
    writeFileSync(join(broken, ".wasme/images/oci-layout"), "{");
    expect(await runCli(["__complete", "push", ""], { home: broken })).toMatchObject({ code: 0, stderr: "" });
  });
});
