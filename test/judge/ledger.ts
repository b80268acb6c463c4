/** A pod that was refused a version of an object. */
export interface Refusal {
  readonly pod: string;
  readonly node: string;
  readonly object: string;
  readonly version: string;
  readonly reason: string;
  /** Every request and how it ended, with the millisecond of the judge's clock. */
  readonly trace: readonly string[];
  /** True when the node came after this version of the object. */
  readonly lateNode: boolean;
}

/** What became of one version of an object. */
export interface VersionFigures {
  readonly object: string;
  readonly served: number;
  readonly refused: number;
  /** Milliseconds from the judge's first sight of it until the last proxy had it for the first time. */
  readonly lastAfterMs: number;
}

/** The judge's figures; pairs are (pod, version of an object). */
export interface Report {
  readonly pairs: number;
  /** Refused on nodes that were there when the version was. */
  readonly refused: number;
  readonly lateNodePairs: number;
  readonly lateNodeRefused: number;
  /** The first of them. */
  readonly refusals: readonly Refusal[];
  readonly requests: number;
  readonly restarts: number;
  readonly pods: number;
  readonly nodes: number;
  /** By identity and generation. */
  readonly versions: Readonly<Record<string, VersionFigures>>;
  /** Proxies that are asking, or will as soon as their push arrives. */
  readonly busy: number;
}

/** Who, where, for what: one question of a proxy. */
export interface Question {
  readonly podUid: string;
  readonly pod: string;
  readonly node: string;
  readonly object: string;
  readonly version: string;
}

/** Keeps the figures. A pair that was refused once stays refused, whatever comes later. */
export class Ledger {
  readonly #now: () => number;
  readonly #nodes = new Map<string, number>();
  readonly #versions = new Map<
    string,
    { object: string; at: number; served: Set<string>; refused: Set<string>; last: number }
  >();
  readonly #late = new Set<string>();
  readonly #refusals: Refusal[] = [];
  readonly #pods = new Set<string>();
  requests = 0;
  restarts = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  sawNode(name: string): void {
    if (!this.#nodes.has(name)) this.#nodes.set(name, this.#now());
  }

  sawPod(uid: string): void {
    this.#pods.add(uid);
  }

  sawVersion(version: string, object: string): void {
    if (this.#versions.has(version)) return;
    this.#versions.set(version, { object, at: this.#now(), served: new Set(), refused: new Set(), last: 0 });
  }

  served({ podUid, version, node }: Question): void {
    const found = this.#versions.get(version);
    if (found === undefined || found.served.has(podUid)) return;
    found.served.add(podUid);
    found.last = this.#now();
    if (this.#isLate(node, found.at)) this.#late.add(`${podUid} ${version}`);
  }

  refused(question: Question, reason: string, trace: readonly string[]): void {
    const { podUid, version, pod, node, object } = question;
    const found = this.#versions.get(version);
    if (found === undefined || found.refused.has(podUid)) return;
    found.refused.add(podUid);
    const lateNode = this.#isLate(node, found.at);
    if (lateNode) this.#late.add(`${podUid} ${version}`);
    this.#refusals.push({ pod, node, object, version, reason, trace, lateNode });
  }

  /** Of all objects, or those of one namespace; what is no pair is counted for all. */
  report(busy: number, namespace?: string): Report {
    const isMeant = ({ object }: { readonly object: string }): boolean =>
      namespace === undefined || object.startsWith(`${namespace}/`);
    const versions = [...this.#versions].filter(([, version]) => isMeant(version));
    const refusals = this.#refusals.filter(isMeant);
    const lateNodeRefused = refusals.filter(({ lateNode }) => lateNode).length;
    const meant = new Set(versions.map(([version]) => version));
    const pairs = versions.reduce((sum, [, { served, refused }]) => sum + new Set([...served, ...refused]).size, 0);
    return {
      pairs,
      refused: refusals.length - lateNodeRefused,
      lateNodePairs: [...this.#late].filter((pair) => meant.has(pair.split(" ")[1] ?? "")).length,
      lateNodeRefused,
      refusals: refusals.slice(0, 50),
      requests: this.requests,
      restarts: this.restarts,
      pods: this.#pods.size,
      nodes: this.#nodes.size,
      versions: Object.fromEntries(
        versions.map(([version, { object, at, served, refused, last }]) => [
          version,
          { object, served: served.size, refused: refused.size, lastAfterMs: last === 0 ? 0 : last - at },
        ]),
      ),
      busy,
    };
  }

  #isLate(node: string, versionAt: number): boolean {
    return (this.#nodes.get(node) ?? Number.POSITIVE_INFINITY) > versionAt;
  }
}
