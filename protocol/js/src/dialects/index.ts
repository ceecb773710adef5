// The spellings of the messages on the wire, by name.

import { CAMEL } from "./camel.js";
import type { Dialect, DialectName } from "./contract.js";
import { FLAT } from "./flat.js";
import { SNAKE } from "./snake.js";

export type { Dialect, DialectName } from "./contract.js";

/** Name → dialect. */
export const DIALECTS: Readonly<Record<DialectName, Dialect>> = { snake: SNAKE, camel: CAMEL, flat: FLAT };
