import { placeholder, structure, templates } from "./template.mjs";
import { documents } from "./yaml.mjs";

/** The files of the Helm chart, but for the definitions in `crds/`. */
export function chartFiles(version, builders) {
  return {
    "Chart.yaml": documents([
      {
        apiVersion: "v2",
        name: "wasme",
        description: "Proxy-Wasm filters on the workloads of an Istio mesh: the operator and its node cache",
        type: "application",
        version,
        appVersion: version,
        kubeVersion: ">=1.25.0-0",
        keywords: ["istio", "envoy", "wasm", "proxy-wasm"],
      },
    ]),
    "values.yaml": VALUES,
    "templates/cache.yaml": cacheTemplate(builders),
    "templates/operator.yaml": operatorTemplate(builders),
    "templates/NOTES.txt": NOTES,
  };
}

function cacheTemplate({ buildCacheObjects }) {
  const settings = { ...pods("cache"), name: "wasme-cache", files: false, kubernetes: { major: 1, minor: 30 } };
  const release = (minor, range) => ({
    when: `semverCompare "${range}" $.Capabilities.KubeVersion.Version`,
    settings: { kubernetes: { major: 1, minor } },
  });
  const everyNode = buildCacheObjects({ ...settings, files: true }).at(-1).spec.template.spec.tolerations;
  const [space, ...inside] = templates(buildCacheObjects, settings, [
    { when: "$.Values.cache.files", settings: { files: true, tolerations: [] } },
    { when: "and $.Values.cache.files (not $.Values.cache.tolerations)", settings: { tolerations: everyNode } },
    release(34, ">=1.34.0-0"),
    release(31, ">=1.31.0-0, <1.34.0-0"),
    ...podSwitches("cache"),
  ]);
  return block("if $.Values.cache.enabled", [
    block("if ne $.Values.cache.namespace $.Release.Namespace", [space]),
    ...inside,
  ]);
}

function operatorTemplate({ buildOperatorKinds, buildOperatorProgram }) {
  const watched = "$.Values.operator.watchNamespaces";
  const settings = {
    ...pods("operator"),
    name: "wasme-operator",
    replicas: REPLICAS,
    pullSecrets: [],
    plainNames: true,
    cache: { name: "wasme-cache", namespace: placeholder("$.Values.cache.namespace") },
  };
  const switches = [
    { when: "$.Values.operator.pullSecrets", settings: { pullSecrets: [structure("$.Values.operator.pullSecrets")] } },
    ...podSwitches("operator"),
  ];
  const made = (watchNamespaces, keep, more = []) =>
    templates((given) => buildOperatorProgram(given).filter(keep), { ...settings, watchNamespaces }, [
      ...switches,
      ...more,
    ]);
  const inWatched = placeholder(".");
  const isCacheRole = ({ metadata }) => metadata.name === "wasme-operator-cache";
  const isRole = ({ kind }) => /^(?:Cluster)?Role(?:Binding)?$/u.test(kind);
  const isWatchedRole = (object) => isRole(object) && object.metadata.name === "wasme-operator";
  const ofCluster = made([], isWatchedRole);
  const ofNamespace = made([inWatched], isWatchedRole);
  const [space, ...program] = made(
    [placeholder(`join "," ${watched}`)],
    (object) => !isWatchedRole(object) && !isCacheRole(object),
    [{ when: "not $.Values.cache.enabled", settings: { cache: undefined } }],
  );
  const people = templates(() => buildOperatorKinds().filter(isRole), {});
  const ownSpace =
    "if not (or (eq $.Values.operator.namespace $.Release.Namespace) (and $.Values.cache.enabled (eq $.Values.operator.namespace $.Values.cache.namespace)))";
  return block("if $.Values.operator.enabled", [
    ...people,
    block(ownSpace, [space]),
    block(`if not ${watched}`, ofCluster),
    block(`range ${watched}`, ofNamespace),
    block("if $.Values.cache.enabled", made([], isCacheRole)),
    ...program.map((text) => text.replaceAll(String(REPLICAS), "{{ $.Values.operator.replicas }}")),
  ]);
}

/** Settings of pods that both programs have. */
function pods(program) {
  return {
    namespace: placeholder(`$.Values.${program}.namespace`),
    image: placeholder(`printf "%s:%s" $.Values.image.repository ($.Values.image.tag | default $.Chart.AppVersion)`),
    imagePullPolicy: placeholder("$.Values.image.pullPolicy"),
    resources: structure(`$.Values.${program}.resources`),
    nodeSelector: structure(`$.Values.${program}.nodeSelector`),
  };
}

function podSwitches(program) {
  const value = (name) => `$.Values.${program}.${name}`;
  const own = "$.Values.imagePullSecrets";
  return [
    { when: own, settings: { imagePullSecrets: [structure(own)] } },
    { when: value("priorityClassName"), settings: { priorityClassName: placeholder(value("priorityClassName")) } },
    { when: value("tolerations"), settings: { tolerations: [structure(value("tolerations"))] } },
    { when: value("affinity"), settings: { affinity: structure(value("affinity")) } },
    { when: value("authSecret"), settings: { authSecret: placeholder(value("authSecret")) } },
  ];
}

/** Objects inside a conditional or a loop. Each begins with its separator, so that none is left over. */
function block(opening, parts) {
  const text = parts.map((part) => (part.startsWith("{{-") ? part : `---\n${part}`)).join("\n");
  return `{{- ${opening} }}\n${text}\n{{- end }}\n`.replaceAll(/\n{2,}/gu, "\n");
}

/** A number that is nothing else's. */
const REPLICAS = 7_777_777;

const VALUES = `# The image that all programs run.
image:
  repository: ghcr.io/wasme/wasme
  # Default: the chart's appVersion.
  tag: ""
  pullPolicy: IfNotPresent

# With which nodes pull that image: [{name: …}], Secrets in the namespaces of both programs.
imagePullSecrets: []

# The node cache: fetches each module once per node and serves it to the proxies.
cache:
  enabled: true
  # Made by the chart, unless the release is in it.
  namespace: wasme
  # Keeps modules in a directory of the node, as delivery "cache-file" needs; its namespace is privileged then.
  files: false
  # Name of a Secret (kubernetes.io/dockerconfigjson) with credentials for all filter images.
  authSecret: ""
  priorityClassName: ""
  # On tainted nodes, too; none: all of them with files, which are read on the proxy's own node, else no tainted ones.
  tolerations: []
  nodeSelector:
    kubernetes.io/os: linux
  affinity: {}
  resources:
    requests:
      cpu: 50m
      memory: 128Mi
    limits:
      memory: 512Mi

# The operator: brings about what FilterDeployments say.
operator:
  enabled: true
  # Made by the chart, unless the release is in it.
  namespace: wasme-operator
  # Namespaces it looks after, which must exist; none: all of the cluster.
  watchNamespaces: []
  # Names of the Secrets that FilterDeployments may name; none: the operator may read any, by its name.
  pullSecrets: []
  # One leads, the others stand by.
  replicas: 1
  authSecret: ""
  priorityClassName: ""
  tolerations: []
  nodeSelector:
    kubernetes.io/os: linux
  affinity: {}
  resources:
    requests:
      cpu: 50m
      memory: 192Mi
    limits:
      memory: 512Mi
`;

const NOTES = `{{- if $.Values.operator.enabled }}
FilterDeployments are brought about now:

  kubectl get filterdeployments --all-namespaces
{{- end }}
{{- if $.Values.cache.enabled }}

The node cache fetches modules as they are needed:

  kubectl -n {{ $.Values.cache.namespace }} rollout status daemonset/wasme-cache
{{- end }}

Helm does not upgrade kinds: apply the folder crds/ of a new chart with kubectl apply --server-side.
`;
