/**
 * Makes a fresh clone ready: installs the packages and builds what is missing or older than its source.
 * Runs before `npm test` and `npm run demo`, with Node alone.
 */
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

function npm(...args) {
  const cli = process.env.npm_execpath;
  const [command, rest] = cli ? [process.execPath, [cli, ...args]] : ["npm", args];
  const { status } = spawnSync(command, rest, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) {
    process.stderr.write(`npm ${args.join(" ")} failed\n`);
    process.exit(status ?? 1);
  }
}

function newest(folder) {
  const times = readdirSync(folder, { recursive: true, encoding: "utf8" }).map(
    (name) => statSync(join(folder, name)).mtimeMs,
  );
  return Math.max(0, ...times);
}

const installed = join(root, "node_modules/.package-lock.json");
const outdated =
  !existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, "package-lock.json")).mtimeMs;
// A linked folder is another clone's: npm ci would empty that.
const linked = lstatSync(join(root, "node_modules"), { throwIfNoEntry: false })?.isSymbolicLink() === true;
if (outdated && !linked) npm("ci");
const built = join(root, "node_modules/.wasme-built");
const changed = Math.max(...["src", "tools"].map((folder) => newest(join(root, folder))));
if (!existsSync(built) || statSync(built).mtimeMs < changed) npm("run", "--silent", "build");
