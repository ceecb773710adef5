// What a dialect promises: one spelling of the canonical messages on the wire. A value without state.

import type { ClientMessage, JsonObject, Message } from "../messages.js";

/** The spellings that a server speaks. */
export type DialectName = "snake" | "camel" | "flat";

/** One spelling of the messages. */
export interface Dialect {
  readonly name: DialectName;
  /**
   * A server's message, parsed from JSON, as the canonical one.
   *
   * @throws Unreadable: it is none that this dialect writes.
   */
  decode(said: JsonObject): Message;
  /** A canonical command as the JSON object that is sent. */
  encode(command: ClientMessage): JsonObject;
}
