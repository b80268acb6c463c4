import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseDigest } from "../../src/domain/digest.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { isObject } from "../../src/domain/json.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { orasPath } from "../components/go-programs.ts";
import { componentOf, registryKinds } from "../components/registry-kinds.ts";
import { startRegistry } from "../components/registry.ts";
import { component, need } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { pushTestImage, testImage } from "../support/fault-image.ts";
import { startHub } from "../support/hub.ts";
import { pushReferrer, testReferrer } from "../support/referrers.ts";
import { makeTempDir } from "../support/temp-dir.ts";

interface Started {
  readonly host: string;
  stop(): Promise<void>;
}

const servers: readonly (readonly [string, () => Promise<Started>])[] = [
  ["our own", async () => startHub().then((hub) => ({ host: hub.host, stop: () => hub.close() }))],
  ...registryKinds.map((kind) => [kind, () => startRegistry({ kind })] as const),
];

const oras = await component("oras", orasPath);

/** oras and we keep the same lists. */
describe.each(servers)("referrers of oras and ours at %s", async (name, start) => {
  const found = await component(componentOf[name as keyof typeof componentOf] ?? "hub", start);
  const client = createRegistryClient({ env: {} });
  const home = makeTempDir("wasme-oras-");
  const image = testImage(1000, name);
  const { digest } = image.manifestDescriptor;

  afterAll(async () => {
    client.close();
    if ("ready" in found) await found.ready.stop();
  });

  async function runOras(...args: readonly string[]): Promise<unknown> {
    const program = "ready" in oras ? oras.ready : "oras";
    const { stdout } = await runOk(program, [...args, "--plain-http", "--format", "json"], {
      cwd: home,
      env: { HOME: home },
    });
    return JSON.parse(stdout);
  }

  it("hold what either attached, and lose what either deleted", async (context) => {
    await need(context, "oras", orasPath);
    if (!("ready" in found)) context.skip(found.skip);
    const host = "ready" in found ? found.ready.host : "";
    const repository = client.repository(parseImageReference(`${host}/demo/both:v1`), "push");
    await pushTestImage(repository, image);
    writeFileSync(join(home, "sbom.json"), "{}");
    const target = `${host}/demo/both@${digest}`;
    const attach = ["--artifact-type", "application/spdx+json", "--annotation", "by=oras", "sbom.json"];
    const theirs = parseDigest(digestIn(await runOras("attach", target, ...attach)));
    // zot of that age takes the type of the config for that of the artifact.
    const ours = testReferrer(image.manifestDescriptor, { config: "text/ours", annotations: { by: "us" } });
    await pushReferrer(repository, ours);

    const listed = await repository.referrers(digest);
    expect(listed.map((each) => each.digest).toSorted()).toEqual([theirs, ours.descriptor.digest].toSorted());
    expect(listed.find((each) => each.digest === theirs)?.annotations).toMatchObject({ by: "oras" });
    expect(await discovered(target)).toEqual([theirs, ours.descriptor.digest].toSorted());

    await repository.deleteManifest(theirs);
    expect(await discovered(target)).toEqual([ours.descriptor.digest]);
    // At this zot, older than the final specification, oras is told that the manifest is not there.
    if (name === "zot") await repository.deleteManifest(ours.descriptor.digest);
    else await deleteByOras(`${host}/demo/both@${ours.descriptor.digest}`);
    expect(await freshly(host)).toEqual([]);
  });

  async function deleteByOras(reference: string): Promise<void> {
    const program = "ready" in oras ? oras.ready : "oras";
    await runOk(program, ["manifest", "delete", "--force", "--plain-http", reference]);
  }

  async function discovered(target: string): Promise<readonly string[]> {
    const answer = await runOras("discover", target);
    const list = isObject(answer) ? (answer["referrers"] ?? answer["manifests"]) : [];
    return (Array.isArray(list) ? list : []).map(digestIn).toSorted();
  }

  /** By a client that has seen nothing yet. */
  async function freshly(host: string): Promise<readonly unknown[]> {
    const other = createRegistryClient({ env: {} });
    const from: Repository = other.repository(parseImageReference(`${host}/demo/both:v1`));
    const listed = await from.referrers(digest);
    other.close();
    return listed;
  }
});

function digestIn(value: unknown): string {
  const digest = isObject(value) ? value["digest"] : undefined;
  return typeof digest === "string" ? digest : "none";
}
