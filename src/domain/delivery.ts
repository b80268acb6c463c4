/**
 * How a module's bytes get to the proxies.
 * - `registry`: the proxy's agent pulls the image itself;
 * - `cache-http`: the agent downloads the module from the node cache's Service;
 * - `cache-file`: the proxy reads a file that the node cache wrote into a directory of the node;
 * - `image-volume`: the kubelet mounts the image into the proxy's container.
 */
export type Delivery = "registry" | "cache-http" | "cache-file" | "image-volume";

/** All of them, in the order help lists them. */
export const DELIVERIES: readonly Delivery[] = ["registry", "cache-http", "cache-file", "image-volume"];
