import { type CommandSpec, optionalArgument } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { text, type Values } from "../options/read.ts";
import { connectionOptions, credentialOptions, passwordOf, withRegistry } from "../options/registry.ts";
import { serverOf, serverOption } from "../options/server.ts";
import { versioned } from "../outcome.ts";

/** `wasme login SERVER`. */
export const login: CommandSpec = {
  name: "login",
  summary: "Store credentials for a registry",
  description:
    "Check a user name and password with a registry and keep them: with Docker's credential helper when one is set up, " +
    "else in Docker's config file. docker, podman and skopeo find them there too.",
  examples: [
    { command: "wasme login ghcr.io", does: "asks for user name and password" },
    { command: "echo $TOKEN | wasme login ghcr.io -u me --password-stdin", does: "in a script" },
  ],
  arguments: [{ name: "[server]", description: "the registry, for example ghcr.io" }],
  options: [
    serverOption,
    ...connectionOptions,
    ...credentialOptions,
    { flags: "--plaintext", description: "old spelling of --plain-http", hidden: true },
  ],
  async run(context, input) {
    const { options } = input;
    const server = serverOf(context, options, optionalArgument(input, 0));
    const { username, password } = await ask(context, options, server);
    const credential = { kind: "basic", username, password } as const;
    const values = {
      plainHttp: options["plaintext"],
      ...options,
      username: undefined,
      password: undefined,
      passwordStdin: undefined,
    };
    const check = await withRegistry(context, values, async (registry) => {
      return await registry.verifyLogin(server, credential, context.signal);
    });
    const { storeCredential } = await import("../../registry/store-credential.ts");
    const stored = await storeCredential(context, server, credential, context.signal);
    if (stored.kind === "file") {
      const { installedHelper } = await import("../../registry/installed-helper.ts");
      const helper = await installedHelper(context.env);
      context.events({
        type: "warning",
        message: `the password is stored unencrypted in ${stored.path}`,
        hint:
          helper === undefined
            ? "set up a Docker credential helper (credsStore) to keep it safe"
            : `docker-credential-${helper} is installed: put "credsStore": "${helper}" there and log in again to keep it safe`,
      });
    }
    const verified = check === "verified";
    if (!verified) context.events({ type: "warning", message: `${server} asks for no login: stored, not verified` });
    const place = stored.kind === "file" ? stored.path : stored.program;
    return {
      json: versioned("LoginResult", { server, username, verified, stored }),
      names: [server],
      text: () =>
        `${verified ? "Logged in to" : "Stored credentials for"} ${server} as ${username}\nStored in: ${place}`,
    };
  },
};

async function ask(context: Context, values: Values, server: string): Promise<{ username: string; password: string }> {
  const { askSecret, askText } = await import("../prompt.ts");
  const given = await passwordOf(context, values);
  const username =
    text(values, "username") ?? (await askText(context, { message: `User name for ${server}`, flag: "--username" }));
  const password = given ?? (await askSecret(context, { message: "Password or token", flag: "--password-stdin" }));
  return { username, password };
}
