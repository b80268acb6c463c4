import { describe, expect, it } from "vitest";
import { stripOldMounts } from "../../../src/deploy/migrate-old-mounts.ts";

const VOLUME = "sidecar.istio.io/userVolume";
const BACKUP = `wasme-backup.${VOLUME}`;
const TODAY = "wasme.io/user-volume-backup";
const OLD = '{"hostPath":{"path":"/var/local/lib/wasme-cache"},"name":"cache-dir"}';

describe("stripOldMounts", () => {
  it("changes nothing where the old tool never was", () => {
    const annotations = { [VOLUME]: '[ {"name":"mine"} ]', other: "1" };
    expect(stripOldMounts(annotations)).toEqual({ changes: {}, unclear: [] });
  });

  it("removes the annotation when nothing else is in it", () => {
    expect(stripOldMounts({ [VOLUME]: `[${OLD}]` }).changes).toEqual({ [VOLUME]: null });
  });

  it("keeps everything but the old volume, in its order, as canonical JSON", () => {
    const value = `[{"name":"b","emptyDir":{}},${OLD},{"name":"a","emptyDir":{}}]`;
    const left = '[{"emptyDir":{},"name":"b"},{"emptyDir":{},"name":"a"}]';
    expect(stripOldMounts({ [VOLUME]: value }).changes).toEqual({ [VOLUME]: left });
  });

  it("takes the user's own wording from a backup that says the same", () => {
    const wording = '[ {"name":"mine", "emptyDir":{}} ]';
    const annotations = { [VOLUME]: `[{"emptyDir":{},"name":"mine"},${OLD}]`, [BACKUP]: wording };
    expect(stripOldMounts(annotations).changes).toEqual({ [VOLUME]: wording, [BACKUP]: null });
  });

  it("never restores a backup that names the old volume, or says something else", () => {
    const both = `[{"emptyDir":{},"name":"mine"},${OLD}]`;
    for (const backup of [both, '[{"name":"older"}]', "not JSON"]) {
      const { changes } = stripOldMounts({ [VOLUME]: both, [BACKUP]: backup });
      expect(changes).toEqual({ [VOLUME]: '[{"emptyDir":{},"name":"mine"}]', [BACKUP]: null });
    }
  });

  it("drops a backup whose annotation is gone, and brings nothing back", () => {
    expect(stripOldMounts({ [BACKUP]: '[{"name":"mine"}]' }).changes).toEqual({ [BACKUP]: null });
  });

  it("leaves a volume of the user's that only has the name or only the place", () => {
    const elsewhere = '[{"name":"cache-dir","hostPath":{"path":"/data"}}]';
    const otherName = '[{"name":"modules","hostPath":{"path":"/var/local/lib/wasme-cache"}}]';
    for (const value of [elsewhere, otherName]) expect(stripOldMounts({ [VOLUME]: value }).changes).toEqual({});
  });

  it("takes it out of the object form, and out of today's backup too", () => {
    const value = '{"mine":{"emptyDir":{}},"cache-dir":{"hostPath":{"path":"/var/local/lib/wasme-cache"}}}';
    expect(stripOldMounts({ [VOLUME]: value, [TODAY]: `[${OLD}]` }).changes).toEqual({
      [VOLUME]: '{"mine":{"emptyDir":{}}}',
      [TODAY]: "",
    });
  });

  it("leaves what is not JSON as it is, and says so", () => {
    const annotations = { [VOLUME]: `[${OLD},`, [BACKUP]: "[]" };
    expect(stripOldMounts(annotations)).toEqual({ changes: {}, unclear: [VOLUME] });
  });
});
