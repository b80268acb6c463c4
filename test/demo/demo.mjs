/**
 * The main job on embedded defaults, with Node alone: a filter is scaffolded, built, stored, tested, pushed to a registry of
 * our own, pulled into an empty store, and the objects a deployment would apply are printed.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "wasme-demo-"));
const environment = (home) => {
  return { ...process.env, WASME_HOME: join(work, home), DOCKER_CONFIG: join(work, "docker") };
};
const bold = (text) => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);

function say(text) {
  process.stdout.write(`\n${text}\n`);
}

/** Runs wasme as a user would, with a home of its own. */
function wasme(home, ...args) {
  const shown = args.map((arg) => (/[\s{]/u.test(arg) ? `'${arg}'` : arg)).join(" ");
  process.stdout.write(`${bold(`$ wasme ${shown}`)}\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args], { cwd: work, env: environment(home), stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`wasme ${args[0]} ended with ${code}`))));
  });
}

/** Runs a registry on a free port until `stop`; its log is JSON, and the first line names it. */
async function startRegistry() {
  const args = ["registry", "serve", "--listen", "127.0.0.1:0"];
  const stdio = ["ignore", "ignore", "pipe"];
  const child = spawn(process.execPath, [bin, ...args], { cwd: work, env: environment("registry"), stdio });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const stop = async () => {
    child.kill();
    await ended;
  };
  for await (const line of createInterface(child.stderr)) {
    const { name } = line.startsWith("{") ? JSON.parse(line) : {};
    if (name === undefined) throw new Error(`wasme registry serve: ${line}`);
    child.stderr.resume(); // its access log
    return { name, stop };
  }
  throw new Error("wasme registry serve ended");
}

const WEB = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: { app: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: nginx }] }
`;

const registry = await startRegistry();
const image = `${registry.name}/demo/hello:v1`;
try {
  say("1. Scaffold a filter and build it (the first build installs the compiler with npm).");
  await wasme("laptop", "init", "hello", "--language", "assemblyscript");
  await wasme("laptop", "build", "./hello", "-t", image);
  await wasme("laptop", "list");

  say("2. See what it is: ABI, SDK, what it can do, who accepts it.");
  await wasme("laptop", "inspect", image);

  say("3. Run its tests in the embedded host, as Envoy would run the filter, and ask which proxies load it.");
  await wasme("laptop", "test", "hello");
  await wasme("laptop", "check", image, "--config", "greetings");

  say(
    "4. Push it to a registry (wasme registry serve runs one), and pull it on another machine: here, with an empty store.",
  );
  await wasme("laptop", "push", image);
  await wasme("other", "pull", image);
  await wasme("other", "list");

  say("5. What deploying it to the workloads of a manifest would apply. No cluster is asked.");
  writeFileSync(join(work, "web.yaml"), WEB);
  await wasme(
    "other",
    "deploy",
    "istio",
    image,
    "--id",
    "hello",
    "--config",
    "greetings",
    "-f",
    "web.yaml",
    "-n",
    "shop",
    "--dry-run=client",
  );
  say(bold("Done. Everything was in a temporary folder, which is gone now."));
} catch (error) {
  process.stderr.write(`The demo failed: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
}
