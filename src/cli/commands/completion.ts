import { readFile } from "node:fs/promises";
import { argument, type CommandSpec } from "../command-spec.ts";
import { versioned } from "../outcome.ts";

const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;

/** `wasme completion SHELL`: a script that asks wasme itself for candidates, so it never goes stale. */
export const completion: CommandSpec = {
  name: "completion",
  summary: "Print a shell completion script",
  description:
    "Print a completion script for your shell. It completes commands, options, their values and local images, and " +
    "never touches the network.",
  examples: [
    { command: "source <(wasme completion bash)", does: "complete in this bash; put it into ~/.bashrc to keep it" },
    { command: "source <(wasme completion zsh)", does: "the same for zsh, after compinit in ~/.zshrc" },
    { command: "wasme completion fish > ~/.config/fish/completions/wasme.fish", does: "for fish" },
    { command: "wasme completion powershell | Out-String | Invoke-Expression", does: "for PowerShell, in $PROFILE" },
  ],
  arguments: [{ name: "<shell>", description: SHELLS.join(", "), complete: SHELLS }],
  options: [],
  async run(_context, input) {
    const shell = argument(input, 0);
    if (!SHELLS.some((known) => known === shell)) {
      const { usageError } = await import("../../domain/errors.ts");
      throw usageError("SHELL_UNKNOWN", `no completion for shell ${JSON.stringify(shell)}`, {
        hint: `use one of ${SHELLS.join(", ")}`,
      });
    }
    const raw = await readFile(new URL(`../../../templates/.completion/${shell}`, import.meta.url), "utf8");
    return { json: versioned("CompletionScript", { shell, script: raw }), text: () => raw, names: [raw] };
  },
};
