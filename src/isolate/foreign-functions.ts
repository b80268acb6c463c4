import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { deflateSync, inflateSync } from "node:zlib";
import type { ForeignFunction, ForeignFunctions } from "../host/foreign.ts";
import { protoBytes, protoString, readProto, writeProto } from "../host/proto.ts";
import { Status } from "../host/status.ts";

/** The foreign functions of Envoy that need zlib or cryptography. */
export function nodeForeignFunctions(): ForeignFunctions {
  return new Map<string, ForeignFunction>([
    ["compress", (data) => plain(deflateSync(data))],
    ["uncompress", uncompress],
    ["sign", signText],
    ["verify_signature", verifySignature],
  ]);
}

function uncompress(data: Uint8Array): Uint8Array | Exclude<Status, 0> {
  try {
    return plain(inflateSync(data, { maxOutputLength: MAX_UNCOMPRESSED }));
  } catch {
    return Status.serializationFailure;
  }
}

/** `SignArguments` in, `SignResult` out: 1 whether it went well, 2 the signature, 3 why not. */
function signText(argument: Uint8Array): Uint8Array | Exclude<Status, 0> {
  const read = readArguments(argument, PRIVATE);
  if (read === undefined) return Status.badArgument;
  const { hash, key, fields } = read;
  if (!HASHES.has(hash.toLowerCase())) return writeProto([[3, `${hash} is not supported.`]]);
  if (key === undefined) return writeProto([[3, "Invalid key type: private key required for signing operation."]]);
  const signature = attempt(() => sign(hash, protoBytes(fields, PRIVATE.text), key));
  if (signature === undefined) return writeProto([[3, "Failed to create signature."]]);
  return writeProto([
    [1, true],
    [2, plain(signature)],
  ]);
}

/** `VerifySignatureArguments` in, `VerifySignatureResult` out: 1 whether it is right, 2 why not. */
function verifySignature(argument: Uint8Array): Uint8Array | Exclude<Status, 0> {
  const read = readArguments(argument, PUBLIC);
  if (read === undefined) return Status.badArgument;
  const { hash, key, fields } = read;
  if (!HASHES.has(hash.toLowerCase())) return writeProto([[2, `${hash} is not supported.`]]);
  if (key === undefined) return writeProto([[2, "Failed to initialize digest verify."]]);
  const right = attempt(() => verify(hash, protoBytes(fields, PUBLIC.text), key, protoBytes(fields, 3)));
  return writeProto(right === true ? [[1, true]] : [[2, "Failed to verify digest. Error code: 0"]]);
}

/** Where a message has its key, in which form, and the text. */
interface KeyFields {
  readonly der: number;
  readonly pem: number;
  readonly text: number;
  readonly fromDer: (bytes: Buffer) => KeyObject;
  readonly fromPem: (text: string) => KeyObject;
}

const PRIVATE: KeyFields = {
  der: 2,
  pem: 4,
  text: 3,
  fromDer: (key) => createPrivateKey({ key, format: "der", type: "pkcs8" }),
  fromPem: (key) => createPrivateKey({ key, format: "pem" }),
};

const PUBLIC: KeyFields = {
  der: 2,
  pem: 5,
  text: 4,
  fromDer: (key) => createPublicKey({ key, format: "der", type: "spki" }),
  fromPem: (key) => createPublicKey({ key, format: "pem" }),
};

interface KeyArguments {
  readonly hash: string;
  /** `undefined` for bytes that are no key. */
  readonly key: KeyObject | undefined;
  readonly fields: NonNullable<ReturnType<typeof readProto>>;
}

/** `undefined` for bytes that are no such message, and for a message with no key or two. */
function readArguments(argument: Uint8Array, places: KeyFields): KeyArguments | undefined {
  const fields = readProto(argument);
  const hash = fields && protoString(fields, 1);
  const pem = fields && protoString(fields, places.pem);
  if (fields === undefined || hash === undefined || pem === undefined) return undefined;
  const der = protoBytes(fields, places.der);
  if ((pem === "") === (der.length === 0)) return undefined;
  const key = attempt(() => (pem === "" ? places.fromDer(Buffer.from(der)) : places.fromPem(pem)));
  return { hash, key, fields };
}

/** Node's cryptography throws at what it cannot do; the guest gets an error text for that. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

const HASHES: ReadonlySet<string> = new Set(["sha1", "sha224", "sha256", "sha384", "sha512"]);
/**
 * Envoy doubles its buffer without end here. This is 64 times what Envoy buffers of a body, and is made well within the time
 * one callback has: nothing ends a thread while it inflates.
 */
const MAX_UNCOMPRESSED = 64 * 1024 * 1024;
