import { proxy_send_local_response } from "./host";
import { detailOut, nameOut, valueOut } from "./memory";
import { encodePairs } from "./pairs";
import { ok } from "./status";

/** Answers the current request from here; see `StreamContext.sendLocalReply`. */
export function sendLocalReply<T>(status: u32, body: T, headers: string[][], grpcStatus: i32, details: string): bool {
  const pairs = encodePairs(headers);
  nameOut.setBytes(pairs);
  valueOut.set<T>(body);
  detailOut.setText(details);
  return ok(
    proxy_send_local_response(
      status,
      detailOut.address,
      detailOut.size,
      valueOut.address,
      valueOut.size,
      nameOut.address,
      nameOut.size,
      grpcStatus,
    ),
  );
}
