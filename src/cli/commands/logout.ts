import { type CommandSpec, optionalArgument } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { serverOf, serverOption } from "../options/server.ts";
import { versioned } from "../outcome.ts";

/** `wasme logout SERVER`. */
export const logout: CommandSpec = {
  name: "logout",
  summary: "Remove stored credentials",
  description: "Remove the credentials for a registry from where login stores them. Safe to repeat.",
  examples: [{ command: "wasme logout ghcr.io", does: "forget the credentials for ghcr.io" }],
  arguments: [{ name: "[server]", description: "the registry, for example ghcr.io" }],
  options: [serverOption],
  async run(context, input) {
    const server = serverOf(context, input.options, optionalArgument(input, 0));
    const { eraseCredential } = await import("../../registry/store-credential.ts");
    const removed = await eraseCredential(context, server, context.signal);
    await warnOfOthers(context, server);
    return {
      json: versioned("LogoutResult", { server, removed }),
      names: [server],
      text: () => (removed.length === 0 ? `Not logged in to ${server}` : `Removed credentials for ${server}`),
    };
  },
};

/** Other programs' files and the old tool's are read, too, but never changed. */
async function warnOfOthers(context: Context, server: string): Promise<void> {
  const { createCredentials } = await import("../../registry/credentials.ts");
  const left = await createCredentials(context)(server);
  if (left?.source === undefined) return;
  context.events({
    type: "warning",
    message: `credentials for ${server} are still in ${left.source}`,
    hint: "wasme uses them, and never changes them: remove them there",
  });
}
