/** What is in the image, as SPDX 2.3 in JSON; the same for the same packages. */
import { sha256 } from "./run.mjs";

/** `packages` are `{ type: "deb" | "npm" | "generic", name, version, … }`; the first is the image's own program. */
export function sbomOf({ name, version, arch, created, debian, node, npm, license }) {
  const wasme = { name, version, license, purl: `pkg:npm/${name}@${version}` };
  const packages = [wasme, nodeFacts(node), ...npm.map(npmFacts), ...debian.map((one) => debianFacts(one, arch))];
  // The same package may be installed in two places.
  const described = [...new Map(packages.map((one) => [one.purl, spdxPackage(one)])).values()];
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${name}-${version}-linux-${arch}`,
    documentNamespace: `https://wasme.io/spdx/${name}-${version}-${arch}-${sha256(JSON.stringify(described))}`,
    creationInfo: { created, creators: [`Tool: ${name}-image-${version}`] },
    packages: described,
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: described[0].SPDXID },
      ...described.slice(1).map(({ SPDXID }) => {
        return { spdxElementId: described[0].SPDXID, relationshipType: "DEPENDS_ON", relatedSpdxElement: SPDXID };
      }),
    ],
  };
}

function nodeFacts({ name, version, integrity }) {
  return { name, version, license: "MIT", integrity, purl: `pkg:npm/${name}@${version}` };
}

function npmFacts({ name, version, license, integrity }) {
  return { name, version, license, integrity, purl: `pkg:npm/${name.replace("@", "%40")}@${version}` };
}

function debianFacts({ name, version, architecture, maintainer, homepage, summary, source, sha256: hash }) {
  const query = `arch=${architecture}&distro=debian-12&upstream=${encodeURIComponent(source)}`;
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?${query}`;
  return { name, version, sha256: hash, supplier: maintainer.replace(/<(.*)>/u, "($1)"), homepage, summary, purl };
}

function spdxPackage(one) {
  const { name, version, license, integrity, sha256: hash, supplier, homepage, summary, purl } = one;
  return {
    SPDXID: `SPDXRef-${purl.replace(/\?.*$/u, "").replaceAll(/[^a-zA-Z0-9.]+/gu, "-")}`,
    name,
    versionInfo: version,
    ...(supplier === undefined ? {} : { supplier: `Organization: ${supplier}` }),
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    ...(homepage === undefined ? {} : { homepage }),
    ...(summary === undefined ? {} : { summary }),
    ...(hash === undefined && integrity === undefined ? {} : { checksums: [checksum(hash, integrity)] }),
    licenseConcluded: "NOASSERTION",
    licenseDeclared: license ?? "NOASSERTION",
    copyrightText: "NOASSERTION",
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
  };
}

function checksum(hash, integrity) {
  if (hash !== undefined) return { algorithm: "SHA256", checksumValue: hash };
  return {
    algorithm: "SHA512",
    checksumValue: Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex"),
  };
}
