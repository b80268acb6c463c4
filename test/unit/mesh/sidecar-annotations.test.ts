import { describe, expect, it } from "vitest";
import {
  type AnnotationPatch,
  type Annotations,
  mountModules,
  unmountModules,
  USER_VOLUME,
  USER_VOLUME_BACKUP,
  USER_VOLUME_MOUNT,
  USER_VOLUME_MOUNT_BACKUP,
} from "../../../src/mesh/sidecar-annotations.ts";

const VOLUME = '{"hostPath":{"path":"/var/lib/wasme","type":"DirectoryOrCreate"},"name":"wasme-cache"}';
const MOUNT = '{"mountPath":"/var/lib/wasme","name":"wasme-cache","readOnly":true}';

/** The annotations after a patch, as the API server would hold them. */
function apply(annotations: Annotations, { changes }: AnnotationPatch): Annotations {
  const merged = Object.entries({ ...annotations, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  return Object.fromEntries(merged);
}

const mount = (annotations: Annotations): Annotations => apply(annotations, mountModules(annotations));
const unmount = (annotations: Annotations): Annotations => apply(annotations, unmountModules(annotations));

const MINE: Annotations = {
  other: "x",
  [USER_VOLUME]: '[ {"name": "mine", "emptyDir": {}} ]',
  [USER_VOLUME_MOUNT]: '[{"name":"mine","mountPath":"/mine"}]',
};

describe("mounting the module directory into a sidecar", () => {
  it("starts from nothing", () => {
    expect(mount({})).toEqual({
      [USER_VOLUME]: `[${VOLUME}]`,
      [USER_VOLUME_MOUNT]: `[${MOUNT}]`,
      [USER_VOLUME_BACKUP]: "",
      [USER_VOLUME_MOUNT_BACKUP]: "",
    });
  });

  it("adds to an array, and keeps the user's value word for word aside", () => {
    expect(mount(MINE)).toEqual({
      other: "x",
      [USER_VOLUME]: `[{"emptyDir":{},"name":"mine"},${VOLUME}]`,
      [USER_VOLUME_MOUNT]: `[{"mountPath":"/mine","name":"mine"},${MOUNT}]`,
      [USER_VOLUME_BACKUP]: MINE[USER_VOLUME],
      [USER_VOLUME_MOUNT_BACKUP]: MINE[USER_VOLUME_MOUNT],
    });
  });

  it("adds to an object, in its own form", () => {
    const mounted = mount({ [USER_VOLUME]: '{"zz":{"emptyDir":{}}}' });
    expect(mounted[USER_VOLUME]).toBe(
      '{"wasme-cache":{"hostPath":{"path":"/var/lib/wasme","type":"DirectoryOrCreate"}},"zz":{"emptyDir":{}}}',
    );
  });

  it("writes nothing the second time, whatever the order of keys or spaces: a write would restart pods", () => {
    expect(mountModules(mount(MINE))).toEqual({ changes: {}, kept: [] });
    const reordered = {
      ...mount({}),
      [USER_VOLUME]: `[ ${VOLUME.replace("{", '{"name":"wasme-cache",').replace(',"name":"wasme-cache"}', "}")} ]`,
    };
    expect(reordered[USER_VOLUME]).not.toBe(mount({})[USER_VOLUME]);
    expect(mountModules(reordered).changes).toEqual({});
  });

  it("keeps an item of our name that mounts the directory in the user's own way, and says so", () => {
    const own = { [USER_VOLUME]: '[{"name":"wasme-cache","hostPath":{"path":"/var/lib/wasme"}}]' };
    const patch = mountModules(own);
    expect(patch.kept).toEqual([USER_VOLUME]);
    expect(patch.changes).not.toHaveProperty([USER_VOLUME]);
    expect(unmount(apply(own, patch))).toEqual(own);
  });

  it.each([
    { [USER_VOLUME]: '[{"name":"wasme-cache","emptyDir":{}}]' },
    { [USER_VOLUME_MOUNT]: '{"wasme-cache":{"mountPath":"/elsewhere"}}' },
  ])("refuses an item of our name that leads elsewhere: %j", (own) => {
    expect(() => mountModules(own)).toThrow(expect.objectContaining({ code: "ANNOTATION_CONFLICT", kind: "usage" }));
  });

  it("backs up afresh when somebody put the original value back in between", () => {
    const reset = { ...mount(MINE), [USER_VOLUME]: "[]" };
    expect(mount(reset)[USER_VOLUME_BACKUP]).toBe("[]");
  });

  it("does not trust or touch the old tool's backup", () => {
    const old = {
      [USER_VOLUME]: '[{"name":"cache-dir","hostPath":{"path":"/var/local/lib/wasme-cache"}}]',
      "wasme-backup.sidecar.istio.io/userVolume": '[{"name":"cache-dir"}]',
    };
    expect(unmount(mount(old))).toEqual(old);
  });

  it.each(["not json", "", "1", "null", '["x"]', '{"a":1}'])("refuses the annotation %j", (text) => {
    const invalid = expect.objectContaining({
      code: "ANNOTATION_INVALID",
      kind: "usage",
      message: expect.stringContaining(USER_VOLUME),
    });
    expect(() => mountModules({ [USER_VOLUME]: text })).toThrow(invalid);
  });

  it("refuses a second mount at the same directory", () => {
    const other = { [USER_VOLUME_MOUNT]: '[{"name":"mine","mountPath":"/var/lib/wasme"}]' };
    expect(() => mountModules(other)).toThrow(expect.objectContaining({ code: "ANNOTATION_CONFLICT", kind: "usage" }));
  });
});

describe("taking it out again", () => {
  it.each([
    ["nothing", {}],
    ["arrays", MINE],
    ["an object", { [USER_VOLUME]: '{ "z": {"emptyDir": {}}, "a": {} }' }],
    ["one annotation only", { [USER_VOLUME_MOUNT]: "[]" }],
  ] as const)("restores %s word for word, also after a second deploy", (_title, before: Annotations) => {
    expect(unmount(mount(before))).toEqual(before);
    expect(unmount(mount(mount(before)))).toEqual(before);
  });

  it("removes only our item when the user changed the value since", () => {
    const mounted = mount(MINE);
    const changed = { ...mounted, [USER_VOLUME]: `[{"name":"new","emptyDir":{}},${VOLUME}]` };
    expect(unmount(changed)).toEqual({ ...MINE, [USER_VOLUME]: '[{"emptyDir":{},"name":"new"}]' });
  });

  it("leaves a value alone from which our item has gone", () => {
    const changed = { ...mount(MINE), [USER_VOLUME]: '[ {"name":"new"} ]' };
    expect(unmount(changed)[USER_VOLUME]).toBe('[ {"name":"new"} ]');
  });

  it("removes the annotation when only our item is left", () => {
    const changed = { ...mount(MINE), [USER_VOLUME]: `[${VOLUME}]` };
    expect(unmount(changed)).not.toHaveProperty([USER_VOLUME]);
  });

  it("does nothing where we did nothing", () => {
    const own = { [USER_VOLUME]: `[${VOLUME}]` };
    expect(unmountModules(own)).toEqual({ changes: {}, kept: [] });
    expect(unmountModules(unmount(mount(MINE)))).toEqual({ changes: {}, kept: [] });
  });
});
