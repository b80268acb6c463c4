import type { OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { text, type Values } from "./read.ts";

/** How a build runs. */
export const builderOptions: readonly OptionSpec[] = [
  {
    flags: "--builder <builder>",
    description: "native: the compiler on this machine; npm: what npm packages carry; container: Docker or podman",
    choices: ["auto", "native", "npm", "container"],
    default: "auto",
  },
  { flags: "-i, --image <ref>", description: "builder image for a build in a container", complete: "none" },
  { flags: "--no-install", description: "do not download what the project needs; fail if it is missing" },
  { flags: "--no-optimize", description: "keep the module as the compiler made it" },
];

/** What the old tool's languages took, each with the variable its builder image reads. */
const OLD: readonly { readonly name: string; readonly spec: OptionSpec; readonly variable: string }[] = [
  old("buildDir", "-b, --build-dir <dir>", "BUILD_BASE"),
  old("bazelOutput", "-f, --bazel-output <file>", "BAZEL_OUTPUT"),
  old("bazelTarget", "-g, --bazel-target <target>", "TARGET"),
  old("username", "-u, --username <name>", "NPM_USERNAME"),
  old("password", "-p, --password <password>", "NPM_PASSWORD"),
  old("email", "-e, --email <address>", "NPM_EMAIL"),
];

/** The old tool's flags: Bazel's for C++ and Rust, npm's login for AssemblyScript. */
export const oldBuildOptions: readonly OptionSpec[] = OLD.map(({ spec }) => spec);

/**
 * What the old flags mean: variables for a builder container. Elsewhere nothing reads them, and a warning says so;
 * an incomplete npm login is refused by the builder, so it is told here.
 */
export function containerEnvOf(context: Context, values: Values): { containerEnv?: Readonly<Record<string, string>> } {
  const given = OLD.map((item) => ({ ...item, value: text(values, item.name) })).filter(
    ({ value }) => value !== undefined,
  );
  if (given.length === 0) return {};
  if (text(values, "builder") !== "container" && text(values, "image") === undefined) {
    const names = given.map(({ spec }) => spec.flags.replace(/^.*(--[\w-]+).*$/u, "$1")).join(", ");
    const npm = given.some(({ variable }) => variable.startsWith("NPM_"));
    const message = `${names} ${given.length === 1 ? "is" : "are"} read by a build in a container only`;
    const hint = npm ? "for packages of your own: npm login, or a token in .npmrc" : "add --builder container";
    context.events({ type: "warning", message, hint });
  }
  return { containerEnv: Object.fromEntries(given.map(({ variable, value }) => [variable, value ?? ""])) };
}

function old(name: string, flags: string, variable: string): (typeof OLD)[number] {
  return { name, variable, spec: { flags, description: `${variable} of the builder container`, hidden: true } };
}
