import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { envoyFailure, rememberLines } from "../../../src/sandbox/envoy-failure.ts";
import { containerCommand, DEFAULT_ENVOY_IMAGE, findEnvoy, nativeCommand } from "../../../src/sandbox/local-envoy.ts";
import { runForeground } from "../../../src/sandbox/run-foreground.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** A `PATH` of one folder with these programs in it. */
function pathWith(...names: readonly string[]): string {
  const directory = tempDir();
  for (const name of names) {
    writeFileSync(join(directory, name), "#!/bin/sh\n");
    chmodSync(join(directory, name), 0o755);
  }
  return directory;
}

describe("finding an Envoy", () => {
  it("takes ENVOY_PATH, then PATH, then docker, then podman", async () => {
    const PATH = pathWith("envoy", "docker", "podman");
    const ENVOY_PATH = join(pathWith("my-envoy"), "my-envoy");
    expect(await findEnvoy({ PATH, ENVOY_PATH }, undefined)).toEqual({ kind: "native", program: ENVOY_PATH });
    expect(await findEnvoy({ PATH }, undefined)).toEqual({ kind: "native", program: join(PATH, "envoy") });
    const engines = pathWith("docker", "podman");
    const image = DEFAULT_ENVOY_IMAGE;
    expect(await findEnvoy({ PATH: `:/nowhere:${engines}` }, undefined)).toEqual({
      kind: "container",
      engine: "docker",
      program: join(engines, "docker"),
      image,
    });
    expect(await findEnvoy({ PATH: pathWith("podman") }, undefined)).toMatchObject({ engine: "podman", image });
    expect(await findEnvoy({ PATH: engines, WASME_USE_PODMAN: "1" }, undefined)).toMatchObject({ engine: "podman" });
  });

  it("takes a container for a named image, whatever else is there", async () => {
    const PATH = pathWith("envoy", "docker");
    expect(await findEnvoy({ PATH }, "istio/proxyv2:1.31.0")).toMatchObject({
      kind: "container",
      image: "istio/proxyv2:1.31.0",
    });
  });

  it("passes over folders and files that cannot be executed", async () => {
    const PATH = tempDir();
    mkdirSync(join(PATH, "envoy"));
    writeFileSync(join(PATH, "docker"), "");
    await expect(findEnvoy({ PATH }, undefined)).rejects.toThrow(expect.objectContaining({ code: "ENVOY_NOT_FOUND" }));
  });

  it("says what to do when there is nothing", async () => {
    const nothing = { code: "ENVOY_NOT_FOUND", kind: "usage", hint: expect.stringContaining("--out") };
    await expect(findEnvoy({}, undefined)).rejects.toThrow(
      expect.objectContaining({ ...nothing, message: "neither envoy nor docker nor podman was found in PATH" }),
    );
    await expect(findEnvoy({ PATH: pathWith("envoy") }, "img")).rejects.toThrow(expect.objectContaining(nothing));
    await expect(findEnvoy({ ENVOY_PATH: "/nowhere/envoy" }, undefined)).rejects.toThrow(
      expect.objectContaining({ code: "ENVOY_PATH_INVALID", kind: "usage" }),
    );
  });
});

describe("command lines", () => {
  it("native: quiet, and beside other Envoys, unless told otherwise", () => {
    expect(nativeCommand("/bin/envoy", "/t/envoy.json", [])).toEqual({
      program: "/bin/envoy",
      args: ["-c", "/t/envoy.json", "--disable-hot-restart", "-l", "warning", "--component-log-level", "wasm:info"],
    });
    const extra = ["--log-level=debug", "--component-log-level", "wasm:trace", "--base-id", "3"];
    expect(nativeCommand("e", "f", extra).args).toEqual(["-c", "f", ...extra]);
  });

  it("container: files read-only, ports on the host, the user's arguments in their places", () => {
    const run = {
      bootstrapFile: "/run/x/envoy.json",
      moduleFile: "/home/u/.wasme/images/blobs/sha256/ab",
      moduleTarget: "/var/lib/wasme/ab.wasm",
      ports: [
        { host: "127.0.0.1", port: 8080 },
        { host: "::1", port: 8081 },
        { host: undefined, port: 8443 },
      ],
      hostAccess: true,
      engineArgs: ["-e", "A=b c"],
      envoyArgs: ["-l", "info"],
    };
    const envoy = { kind: "container", engine: "podman", program: "/bin/podman", image: "img:1" } as const;
    expect(containerCommand(envoy, run)).toEqual({
      program: "/bin/podman",
      args: [
        ..."run --rm --entrypoint envoy --security-opt label=disable --add-host host.docker.internal:host-gateway".split(
          " ",
        ),
        ..."-v /run/x:/etc/wasme:ro -v /home/u/.wasme/images/blobs/sha256/ab:/var/lib/wasme/ab.wasm:ro".split(" "),
        ..."-p 127.0.0.1:8080:8080 -p [::1]:8081:8081 -p 8443:8443".split(" "),
        "-e",
        "A=b c",
        "img:1",
        ..."-c /etc/wasme/envoy.json --disable-hot-restart --component-log-level wasm:info -l info".split(" "),
      ],
    });
  });
});

describe("running in the foreground", () => {
  const lines: string[] = [];
  const options = { cwd: "/", env: { PATH: process.env["PATH"] }, onLine: (line: string) => void lines.push(line) };
  const node = (script: string, signal?: AbortSignal): ReturnType<typeof runForeground> => {
    lines.length = 0;
    return runForeground(process.execPath, ["-e", script], { ...options, signal });
  };

  it("hands on every line of both streams, the last one without a newline too, and the exit code", async () => {
    const result = await node(`console.log("a"); console.error("b"); process.stdout.write("c"); process.exitCode = 3`);
    expect(result).toEqual({ exitCode: 3, endedBy: undefined });
    expect(lines.toSorted()).toEqual(["a", "b", "c"]);
  });

  it("asks it to end when the signal comes, and waits", async () => {
    const controller = new AbortController();
    const running = node(
      `process.on("SIGTERM", () => { console.log("bye"); process.exit(0); }); console.log("up"); setInterval(() => {}, 1e3)`,
      controller.signal,
    );
    await expect.poll(() => lines).toContain("up");
    controller.abort();
    expect(await running).toEqual({ exitCode: 0, endedBy: undefined });
    expect(lines).toEqual(["up", "bye"]);
  });

  it("does not leave it behind when this process ends at once", async () => {
    const before = process.listenerCount("exit");
    const controller = new AbortController();
    const running = node(`console.log("up"); setInterval(() => {}, 1e3)`, controller.signal);
    await expect.poll(() => lines).toContain("up");
    expect(process.listenerCount("exit")).toBe(before + 1);
    controller.abort();
    expect(await running).toEqual({ exitCode: undefined, endedBy: "SIGTERM" });
    expect(process.listenerCount("exit")).toBe(before);
  });

  it("says when it cannot be started", async () => {
    await expect(runForeground("/nowhere/envoy", [], options)).rejects.toThrow(
      expect.objectContaining({ code: "PROGRAM_NOT_STARTED", kind: "failed" }),
    );
  });
});

describe("why an Envoy ended", () => {
  const stamp = "[2026-01-01 10:00:00.000][12][error][wasm] [source/x.cc:1]";
  const failed = { exitCode: 1, endedBy: undefined };

  it("is the line that names the cause, with what to do", () => {
    const cause = "Failed to load Wasm module due to a missing import: env.abort";
    const error = envoyFailure(
      failed,
      [`${stamp} ${cause}`, `${stamp} error initializing config`, "exiting"],
      undefined,
    );
    expect(error).toMatchObject({
      code: "ENVOY_FAILED",
      kind: "failed",
      message: `Envoy exited with code 1: [error][wasm] [source/x.cc:1] ${cause}`,
      hint: expect.stringContaining("wasme inspect"),
    });
  });

  it("is a busy port", () => {
    expect(envoyFailure(failed, ["cannot bind '127.0.0.1:8080': Address already in use"], undefined)).toMatchObject({
      hint: expect.stringContaining("holds the port"),
    });
  });

  it("is the last line otherwise, or nothing at all", () => {
    expect(envoyFailure(failed, ["one", "two", ""], undefined).message).toBe("Envoy exited with code 1: two");
    expect(envoyFailure({ exitCode: undefined, endedBy: "SIGKILL" }, [], undefined).message).toBe(
      "Envoy was ended by SIGKILL",
    );
  });

  it("is the container engine's own failure", () => {
    const lines = [
      "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
      "",
      "Run 'docker run --help' for more information",
    ];
    expect(envoyFailure({ exitCode: 125, endedBy: undefined }, lines, "docker")).toMatchObject({
      code: "CONTAINER_FAILED",
      message:
        "docker exited with code 125: docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
      hint: expect.stringContaining("docker"),
    });
  });

  it("remembers no more than the end", () => {
    const memory = rememberLines();
    for (let at = 0; at < 500; at += 1) memory.add(String(at));
    expect([memory.lines().length, memory.lines()[0]]).toEqual([200, "300"]);
  });
});
