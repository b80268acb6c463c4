import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { isObject, tryParseJson } from "../domain/json.ts";

/** Actions on one resource, as the token specification of Docker's registry writes them. */
export interface Access {
  /** `repository`, or `registry` for the catalog. */
  readonly type: string;
  readonly name: string;
  /** `pull`, `push`, `delete`, `*`. */
  readonly actions: readonly string[];
}

/** What a token says. */
export interface TokenClaims {
  readonly use: "access" | "refresh";
  /** Empty for nobody in particular. */
  readonly user: string;
  readonly access: readonly Access[];
}

/** Signs tokens and reads its own; a JSON web token (HS256) under a key that ends with the process. */
export class TokenSigner {
  readonly #key = randomBytes(32);
  readonly #now: () => number;

  /** `now` in milliseconds since 1970. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** A token that is good for `lifeSeconds`. */
  sign(claims: TokenClaims, lifeSeconds: number): string {
    const iat = Math.floor(this.#now() / 1000);
    const payload = { use: claims.use, sub: claims.user, access: claims.access, iat, exp: iat + lifeSeconds };
    const body = `${HEADER}.${Buffer.from(JSON.stringify(payload)).toString("base64url")}`;
    return `${body}.${this.#mac(body).toString("base64url")}`;
  }

  /** What the token says; `undefined` when it is not ours, altered, for another use or too old. */
  read(token: string, use: TokenClaims["use"]): TokenClaims | undefined {
    const end = token.lastIndexOf(".");
    const body = token.slice(0, Math.max(0, end));
    const mac = Buffer.from(token.slice(end + 1), "base64url");
    const expected = this.#mac(body);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return undefined;
    const payload = tryParseJson(Buffer.from(body.slice(body.indexOf(".") + 1), "base64url").toString());
    if (!isObject(payload) || payload["use"] !== use || Number(payload["exp"]) * 1000 <= this.#now()) return undefined;
    return { use, user: String(payload["sub"]), access: payload["access"] as readonly Access[] };
  }

  #mac(body: string): Buffer {
    return createHmac("sha256", this.#key).update(body).digest();
  }
}

/** Parses `repository:team/filter:pull,push`, several of them separated by spaces; what is none is left out. */
export function parseScopes(text: string): readonly Access[] {
  return text.split(" ").flatMap((scope) => {
    const [, type, name, actions] = /^([a-z]+)(?:\([a-z]+\))?:(.+):([a-z*,]+)$/u.exec(scope) ?? [];
    return type === undefined || name === undefined ? [] : [{ type, name, actions: (actions ?? "").split(",") }];
  });
}

/** The inverse of {@link parseScopes}. */
export function formatScopes(access: readonly Access[]): string {
  return access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(",")}`).join(" ");
}

/** True when `granted` holds everything that is wanted. */
export function covers(granted: readonly Access[], wanted: readonly Access[]): boolean {
  return wanted.every(({ type, name, actions }) =>
    actions.every((action) =>
      granted.some((each) => each.type === type && each.name === name && allows(each.actions, action)),
    ),
  );
}

function allows(actions: readonly string[], action: string): boolean {
  return actions.includes(action) || actions.includes("*");
}

const HEADER = Buffer.from(JSON.stringify({ typ: "JWT", alg: "HS256" })).toString("base64url");
