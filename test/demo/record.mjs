/**
 * Records `docs/demo.svg`: runs the commands of the README's tour on a pseudo-terminal, in a fresh folder with a fresh
 * home, and draws what the terminal showed. Needs util-linux `script`, and port 5000, which the tour names.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startRegistryServer } from "../../dist/hub/registry-server.js";
import { openStore } from "../../dist/store/image-store.js";
import { Screen } from "../support/record-screen.mjs";
import { renderSvg } from "../support/record-svg.mjs";

const SCRIPT = "/usr/bin/script";
const SIZE = { columns: 88, rows: 24 };
/** Seconds: what a command takes at most, what each line takes at least, the time to read it, the time at the end. */
const PACE = { longest: 2, line: 0.01, reading: 1.8, end: 5 };

/** Milliseconds a prompt is there to be seen. */
const PROMPT_MS = 1000;

const root = fileURLToPath(new URL("../..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "wasme-record-"));
const [home, bin, folder] = ["home", "bin", "tour"].map((name) => join(work, name));

/** The commands of the tour; a here-document is one with its lines. */
function tourCommands() {
  const [, tour = ""] = readFileSync(join(root, "README.md"), "utf8").split("## A 60-second tour");
  const blocks = [...tour.split("\n## ")[0].matchAll(/^```sh\n([\s\S]*?)^```$/gmu)].map(([, content]) => content);
  return blocks.flatMap((block) => block.match(/^.*<<'EOF'\n[\s\S]*?^EOF$|^.+$/gmu));
}

/** Runs a command on a terminal; gives what it wrote, piece by piece, with the seconds since the start. */
function run(command) {
  const { CI: _, ...env } = process.env;
  const start = performance.now();
  const pieces = [];
  return new Promise((resolve, reject) => {
    const line = `stty cols ${SIZE.columns} rows ${SIZE.rows}; eval "$RECORDED"`;
    const child = spawn(SCRIPT, ["--quiet", "--return", "--flush", "--command", line, "/dev/null"], {
      cwd: folder,
      env: {
        ...env,
        HOME: home,
        PATH: `${bin}${delimiter}${env.PATH}`,
        SHELL: "/bin/bash",
        TERM: "xterm-256color",
        RECORDED: command,
        // What npm says of its own new versions is no part of the tour.
        npm_config_update_notifier: "false",
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdout.setEncoding("utf8").on("data", (text) => {
      pieces.push({ at: (performance.now() - start) / 1000, text });
      // What a prompt offers first is taken, once it could be read.
      if (text.includes("navigate")) setTimeout(() => child.stdin.write("\r"), PROMPT_MS);
    });
    child.stdin.on("error", () => undefined);
    child.on("error", reject).on("close", (code) => {
      if (code === 0) resolve(pieces);
      else reject(new Error(`${command} ended with ${code}: ${pieces.map(({ text }) => text).join("")}`));
    });
  });
}

/** Records one command from a time on; gives the time it is over. */
async function record(screen, command, start) {
  screen.write("\u001b[32m$\u001b[39m ");
  screen.snapshot(start);
  const typed = start + 0.6;
  screen.write(`\u001b[1m${command.replaceAll("\n", "\r\n> ")}\u001b[22m\r\n`);
  screen.snapshot(typed);
  const pieces = await run(command);
  const pace = Math.min(1, PACE.longest / (pieces.at(-1)?.at ?? 1));
  let now = typed + 0.2;
  for (const { at, text } of pieces) {
    now = Math.max(now, typed + 0.2 + at * pace);
    // A long text comes in one piece; line by line it can be followed.
    for (const line of text.split(/(?<=\n)/u)) {
      screen.write(line);
      screen.snapshot(now);
      now += PACE.line;
    }
  }
  return now + PACE.reading;
}

for (const dir of [home, bin, folder]) mkdirSync(dir);
symlinkSync(join(root, "bin/wasme.js"), join(bin, "wasme"));
const registry = await startRegistryServer({ store: openStore(join(work, "registry")), port: 5000 });
try {
  const screen = new Screen(SIZE.columns);
  let time = 0.2;
  for (const command of tourCommands()) {
    process.stderr.write(`$ ${command}\n`);
    time = await record(screen, command, time);
  }
  const svg = renderSvg(screen, { ...SIZE, seconds: Math.ceil(time + PACE.end) });
  if (svg.includes(work)) throw new Error("the recording shows the folder it was made in");
  writeFileSync(process.argv[2] ?? join(root, "docs/demo.svg"), svg);
  process.stderr.write(`${svg.length} bytes\n`);
} finally {
  await registry.close();
  rmSync(work, { recursive: true, force: true });
}
