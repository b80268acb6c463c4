/** What a conversation over the network cost so far. */
export interface Traffic {
  /** Round trips: requests sent, redirects, tokens and repeated tries included. */
  readonly requests: number;
}
