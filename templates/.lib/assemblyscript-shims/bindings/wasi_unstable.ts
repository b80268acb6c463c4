/**
 * For filters on `@solo-io/proxy-runtime` up to 0.1.15: AssemblyScript declared the WASI functions until 0.20. The SDK
 * needs the one that ends a module after `abort`.
 */
// @ts-ignore: decorator
@external("wasi_unstable", "proc_exit")
export declare function proc_exit(code: u32): void;
