import { createHash } from "node:crypto";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { type KubeObject } from "./kube.ts";
import { at } from "./wanted.ts";

/** What is mounted where in a pod's proxy container. */
export interface Mount {
  readonly mountPath: string;
  readonly source:
    | { readonly kind: "hostPath"; readonly path: string; readonly type: string }
    | { readonly kind: "image"; readonly reference: string }
    /** Nothing with a module in it. */
    | { readonly kind: "other" };
}

const USER_VOLUME = "sidecar.istio.io/userVolume";
const USER_VOLUME_MOUNT = "sidecar.istio.io/userVolumeMount";
const PROXY = "istio-proxy";

/**
 * The mounts of a pod's proxy: those of its own `istio-proxy` container, and those that the injector makes of the
 * annotations the pod was created with. Undefined where an annotation is no JSON: the injector refuses such a pod.
 */
export function mountsOf(pod: KubeObject): readonly Mount[] | undefined {
  const annotations = pod.metadata.annotations ?? {};
  try {
    const containers = (at(pod, "spec", "containers") ?? []) as readonly unknown[];
    const proxy = containers.find((container) => at(container, "name") === PROXY);
    const volumes = [...items(at(pod, "spec", "volumes")), ...items(parse(annotations[USER_VOLUME]))];
    const mounts = [...items(at(proxy, "volumeMounts")), ...items(parse(annotations[USER_VOLUME_MOUNT]))];
    return mounts.map(([name, mount]) => ({
      mountPath: String(at(mount, "mountPath")),
      source: sourceOf(volumes.find(([volume]) => volume === name)?.[1]),
    }));
  } catch {
    return undefined;
  }
}

function parse(text: string | undefined): unknown {
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}

/** Both forms: a list of things with names, and a map by name. */
function items(value: unknown): readonly (readonly [string, unknown])[] {
  if (!Array.isArray(value)) return Object.entries(value ?? {});
  return value.map((item: unknown, index) => {
    const name = at(item, "name");
    return [typeof name === "string" ? name : String(index), item] as const;
  });
}

/** A source the server does not know is stored as `emptyDir`. */
function sourceOf(volume: unknown): Mount["source"] {
  const path = at(volume, "hostPath", "path");
  const reference = at(volume, "image", "reference");
  if (typeof path === "string") {
    const type = at(volume, "hostPath", "type");
    return { kind: "hostPath", path, type: typeof type === "string" ? type : "" };
  }
  return typeof reference === "string" ? { kind: "image", reference } : { kind: "other" };
}

/** The nodes' disks, and the images their kubelets have pulled. */
export interface Disks {
  /** Folder with a folder for each node, in which `/` of the node is. */
  readonly root: string;
  /** The files of an image, by path without a leading slash; throws while it cannot be had. */
  image(node: string, reference: string): Promise<ReadonlyMap<string, Buffer>>;
}

/** Makes a pod's volumes ready as its kubelet does; throws the reason for which it stays in ContainerCreating. */
export async function prepareVolumes(disks: Disks, node: string, mounts: readonly Mount[]): Promise<void> {
  for (const { source } of mounts) {
    if (source.kind === "image") await disks.image(node, source.reference);
    if (source.kind !== "hostPath") continue;
    const path = join(disks.root, node, source.path);
    if (source.type === "DirectoryOrCreate") await mkdir(path, { recursive: true });
    else if (source.type !== "") await stat(path);
  }
}

/** Why Envoy, which runs as a user of its own, cannot take a module from a path of its container; undefined when it can. */
export async function fileObstacle(
  disks: Disks,
  proxy: { readonly node: string; readonly mounts: readonly Mount[] },
  path: string,
): Promise<string | undefined> {
  const [mount] = proxy.mounts
    .filter(({ mountPath }) => path.startsWith(`${mountPath.replace(/\/$/u, "")}/`))
    .toSorted((a, b) => b.mountPath.length - a.mountPath.length);
  if (mount === undefined) return `${path}: nothing is mounted there`;
  const inner = posix.relative(mount.mountPath, path);
  const { source } = mount;
  if (source.kind === "other") return `${path}: its volume is empty`;
  try {
    const bytes =
      source.kind === "image"
        ? (await disks.image(proxy.node, source.reference)).get(inner)
        : await worldReadable(join(disks.root, proxy.node, source.path, inner));
    return bytes === undefined ? `${path}: the image has no such file` : contentObstacle(path, bytes);
  } catch (error) {
    return `${path}: ${(error as Error).message}`;
  }
}

async function worldReadable(path: string): Promise<Buffer> {
  const { mode } = await stat(path);
  if ((mode & 0o004) === 0) throw new Error("not readable for the proxy's user");
  return readFile(path);
}

/** A name with a digest in it promises these bytes: less is a file that was read half-written. */
function contentObstacle(path: string, bytes: Buffer): string | undefined {
  const promised = /[0-9a-f]{64}/u.exec(posix.basename(path))?.[0];
  const found = createHash("sha256").update(bytes).digest("hex");
  return promised === undefined || promised === found ? undefined : `${path}: its bytes have digest ${found}`;
}
