/** What a registry does in its own way, as far as a client can act on it. Sizes in bytes. */
export interface Quirks {
  /** `auto`: one PUT, and pieces when the registry says that is too large; `single`: never pieces; `chunked`: always. */
  readonly upload: "auto" | "single" | "chunked";
  /** Size of the pieces of an upload, within the two limits. */
  readonly chunkSize: number;
  /** Smallest piece but the last. */
  readonly minChunkSize: number;
  /** Largest piece. */
  readonly maxChunkSize: number;
  /** Whether its `Range` tells how much of an upload has arrived. */
  readonly trustRange: boolean;
  /** Whether mounting blobs of other repositories is worth asking for. */
  readonly mount: boolean;
  /** Where referrers are found: its API, the tag `sha256-…`, or the tag when the API is not there. */
  readonly referrers: "api" | "tag" | "probe";
  /** Largest `n` of a page of tags; 0 when the registry may choose. */
  readonly tagPageSize: number;
}

const MIB = 2 ** 20;

/** What the specification says, and pieces that most proxies let through. */
const SPEC: Quirks = {
  upload: "auto",
  chunkSize: 8 * MIB,
  minChunkSize: 1,
  maxChunkSize: 1024 * MIB,
  trustRange: true,
  mount: true,
  referrers: "probe",
  tagPageSize: 0,
};

interface Row {
  /** Hosts as in image references; `.suffix` stands for every host that ends so. */
  readonly hosts: readonly string[];
  readonly quirks: Partial<Quirks>;
}

const TABLE: readonly Row[] = [
  // Answers 416 to a PATCH of more than 4 MiB and 404 to the referrers API; a PUT may be large.
  { hosts: ["ghcr.io"], quirks: { maxChunkSize: 4 * MIB, referrers: "tag" } },
  // All pieces but the last have at least 5 MiB; the Range in its answers stays at the end of the first one; a page of
  // more than 1000 tags is an error.
  {
    hosts: [".amazonaws.com", ".amazonaws.com.cn", "public.ecr.aws"],
    quirks: { minChunkSize: 5 * MIB, trustRange: false, tagPageSize: 1000 },
  },
  // Takes no pieces at all.
  { hosts: [".pkg.dev", "gcr.io", ".gcr.io"], quirks: { upload: "single" } },
  { hosts: [".azurecr.io"], quirks: { referrers: "api" } },
  // Keeps the subject of a manifest, but has no referrers API.
  { hosts: ["registry.gitlab.com"], quirks: { referrers: "tag" } },
];

/** The quirks of a host, over what the specification says; `overrides` are the user's and win. */
export function quirksOf(host: string, overrides: Partial<Quirks> = {}): Quirks {
  const row = TABLE.find(({ hosts }) =>
    hosts.some((each) => (each.startsWith(".") ? host.endsWith(each) : host === each)),
  );
  return { ...SPEC, ...row?.quirks, ...overrides };
}
