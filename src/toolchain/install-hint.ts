import { readFile } from "node:fs/promises";

/** A system as far as installing programs differs. */
export type System = "debian" | "fedora" | "alpine" | "arch" | "macos" | "other";

/** What can be installed. */
export type Installable = "rust" | "rustTarget" | "go" | "tinygo" | "node" | "clang" | "emscripten" | "podman";

/** Finds out which system this is, on Linux by `/etc/os-release` and what it says it is like. */
export async function findSystem(
  platform: NodeJS.Platform = process.platform,
  release = "/etc/os-release",
): Promise<System> {
  if (platform === "darwin") return "macos";
  if (platform !== "linux") return "other";
  const text = await readFile(release, "utf8").catch(() => "");
  const names = [...text.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gmu)].flatMap((match) => (match[1] ?? "").split(" "));
  for (const name of names) {
    const system = SYSTEMS[name];
    if (system !== undefined) return system;
  }
  return "other";
}

/** The exact command that installs something on a system, or where to get it. It is only ever shown. */
export function installCommand(what: Installable, system: System): string {
  const commands = COMMANDS[what];
  return commands[system] ?? commands.other;
}

/** {@link installCommand} for the system this runs on. */
export async function installHint(what: Installable): Promise<string> {
  return installCommand(what, await findSystem());
}

const SYSTEMS: Readonly<Record<string, System>> = {
  debian: "debian",
  ubuntu: "debian",
  fedora: "fedora",
  rhel: "fedora",
  centos: "fedora",
  alpine: "alpine",
  arch: "arch",
};

const RUSTUP = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh";

/**
 * Distributions are named where what they carry is new enough: Debian's Go (1.19 to 1.24) and Rust often are not.
 */
const COMMANDS: Readonly<Record<Installable, Readonly<Partial<Record<System, string>>> & { readonly other: string }>> =
  {
    rust: {
      fedora: "sudo dnf install rustup && rustup-init -y",
      alpine: "apk add rustup gcc musl-dev && rustup-init -y",
      arch: "sudo pacman -S rustup && rustup default stable",
      macos: "brew install rustup && rustup default stable",
      other: RUSTUP,
    },
    // For a Rust that did not come by rustup: the distribution's own package of the standard library.
    rustTarget: {
      debian: "sudo apt-get install libstd-rust-dev-wasm32 lld wasi-libc",
      fedora: "sudo dnf install rust-std-static-wasm32-wasip1 lld",
      alpine: "apk add rust-wasm lld",
      arch: "sudo pacman -S rust-wasm lld",
      macos: "brew uninstall rust && brew install rustup && rustup default stable",
      other: RUSTUP,
    },
    go: {
      fedora: "sudo dnf install golang",
      alpine: "apk add go",
      arch: "sudo pacman -S go",
      macos: "brew install go",
      other: "download it from https://go.dev/dl/ and unpack it into /usr/local",
    },
    tinygo: {
      fedora: "sudo dnf install tinygo",
      arch: "sudo pacman -S tinygo",
      macos: "brew tap tinygo-org/tools && brew install tinygo",
      other: "see https://tinygo.org/getting-started/install/",
    },
    node: {
      debian: "see https://nodejs.org/en/download",
      fedora: "sudo dnf install nodejs npm",
      alpine: "apk add nodejs npm",
      arch: "sudo pacman -S nodejs npm",
      macos: "brew install node",
      other: "see https://nodejs.org/en/download",
    },
    clang: {
      debian: "sudo apt-get install clang lld wasi-libc libc++-dev-wasm32 libclang-rt-dev-wasm32",
      fedora: "sudo dnf install clang lld wasi-libc-devel wasi-libc-static",
      alpine: "apk add clang lld wasi-sdk",
      arch: "sudo pacman -S clang lld wasi-libc wasi-libc++ wasi-libc++abi wasi-compiler-rt",
      macos: "brew install llvm lld wasi-libc wasi-runtimes",
      other: "see https://github.com/WebAssembly/wasi-sdk/releases",
    },
    emscripten: {
      debian: "sudo apt-get install emscripten",
      alpine: "apk add emscripten",
      arch: "sudo pacman -S emscripten",
      macos: "brew install emscripten",
      other: "see https://emscripten.org/docs/getting_started/downloads.html",
    },
    podman: {
      debian: "sudo apt-get install podman",
      fedora: "sudo dnf install podman",
      alpine: "apk add podman",
      arch: "sudo pacman -S podman",
      macos: "brew install podman && podman machine init && podman machine start",
      other: "see https://podman.io/docs/installation",
    },
  };
