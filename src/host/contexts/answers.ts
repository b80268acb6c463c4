import type { DataStatus, HeadersStatus, TrailersStatus } from "../http-filter.ts";

/** Answer of a headers callback. 2 goes on, as Envoy has it; what is above 4 is the strongest stop. */
export function headersStatus(answer: number, allowStopIteration: boolean): HeadersStatus {
  switch (answer) {
    case 0:
    case 2:
      return "continue";
    case 1:
      return allowStopIteration ? "stop-iteration" : "stop-all-and-watermark";
    case 3:
      return "stop-all-and-buffer";
    default:
      return "stop-all-and-watermark";
  }
}

/** Answer of a body callback. */
export function dataStatus(answer: number): DataStatus {
  switch (answer) {
    case 0:
      return "continue";
    case 1:
      return "stop-and-buffer";
    case 2:
      return "stop-and-watermark";
    default:
      return "stop-no-buffer";
  }
}

/** Answer of a trailers callback. */
export function trailersStatus(answer: number): TrailersStatus {
  return answer === 0 ? "continue" : "stop-iteration";
}
