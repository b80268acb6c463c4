/**
 * The folder that holds the `node` of a current Node.js (24), from the npm package that carries the binary;
 * put it first in PATH. As a program (`node test/components/node24.mjs`) the file prints that folder.
 * Throws where npm or the package cannot be had.
 */
export declare function node24Bin(): Promise<string>;
