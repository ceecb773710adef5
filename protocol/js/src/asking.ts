// What a client has asked its server and has no answer to yet; it is asked again on each new link.
//
// Theory of operation: a command is in the table from the call of its method until it is answered, given up
// by its signal, or the client is over. Its text is made once, so a repetition is the same to the byte.
// Commands that do something carry a request id besides, so that the server does them once and answers them
// the same; all others change nothing and may be done twice. A start is answered by the first event of its
// run, whose id follows from the session and the request id.
//
// Bounds: MAX_COMMANDS at a time; one more is `Busy` at once.

import { Busy, CallboardError, CommandRefused, InvalidWorkflow, RunActive } from "./errors.js";
import type { Snapshot } from "./fold.js";
import type { ClientMessages, ServerMessages } from "./generated/messages.js";
import { isEvent, type ClientMessage, type Message } from "./messages.js";
import { sha256 } from "./sha256.js";

/** Without an answer, at a time. */
const MAX_COMMANDS = 256;

/** Those that do something: they are done once, however often they are said. */
const ACTS: ReadonlySet<string> = new Set([
  "workflow.start",
  "workflow.pause",
  "workflow.resume",
  "workflow.stop",
  "workflow.breakpoints",
  "node.input",
]);

/** A command's type → its payload. */
export type Payload<T extends keyof ClientMessages> = NonNullable<ClientMessages[T]["payload"]>;

/** A numbered command, spelled. */
export interface Spelled {
  readonly command: ClientMessage;
  readonly id: string;
  readonly text: string;
}

interface Pending extends Spelled {
  /** Of a start: its run. */
  readonly runId: string | undefined;
  readonly parts: Snapshot[];
  resolve(answer: Message): void;
  reject(error: Error): void;
}

/** The table. */
export class Asking {
  readonly #sessionId: string;
  readonly #spell: (command: ClientMessage) => string;
  readonly #post: (spelled: Spelled) => void;
  /** Request ids of this client differ from those of an earlier one with its session id. */
  readonly #prefix = randomName(8);
  readonly #pending = new Map<string, Pending>();
  readonly #starts = new Map<string, Pending>();
  #number = 0;

  constructor(
    sessionId: string,
    options: { spell: (command: ClientMessage) => string; post: (spelled: Spelled) => void },
  ) {
    this.#sessionId = sessionId;
    this.#spell = options.spell;
    this.#post = options.post;
  }

  /** Commands without an answer. */
  get size(): number {
    return this.#pending.size;
  }

  /** Whether a start of this run waits for its answer. */
  starts(runId: string): boolean {
    return this.#starts.has(runId);
  }

  /**
   * A command with an id of its own, and a request id if it does something; as it will be sent, however
   * often.
   */
  number<T extends keyof ClientMessages>(type: T, workflowId: string, payload: Payload<T>): Spelled {
    this.#number += 1;
    const id = `c${this.#number}`;
    const body = ACTS.has(type) ? { ...payload, requestId: `${this.#prefix}-${this.#number}` } : payload;
    const command = {
      id,
      type,
      timestamp: Date.now(),
      workflowId,
      payload: body,
    } as unknown as ClientMessage;
    return { command, id, text: this.#spell(command) };
  }

  /** The id of the run that a numbered start makes. */
  runId(start: Spelled): string {
    const { requestId } = start.command.payload as { requestId: string };
    return `r-${sha256(`${this.#sessionId}\0${requestId}`).slice(0, 24)}`;
  }

  /**
   * Send a numbered command, now or when there is a link, and wait for the answer.
   *
   * @param options.signal gives the answer up; whether the command is done is not known then.
   */
  ask(
    spelled: Spelled,
    options: { runId?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<Message> {
    const { runId, signal } = options;
    if (this.#pending.size >= MAX_COMMANDS) {
      return Promise.reject(
        new Busy(`${MAX_COMMANDS} commands wait for the server already; try again later`),
      );
    }
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#pending.delete(spelled.id);
        if (runId !== undefined) this.#starts.delete(runId);
        signal?.removeEventListener("abort", abort);
      };
      const pending: Pending = {
        ...spelled,
        runId,
        parts: [],
        resolve: (answer) => {
          done();
          resolve(answer);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      const abort = (): void => pending.reject(signal?.reason as Error);
      signal?.addEventListener("abort", abort);
      this.#pending.set(spelled.id, pending);
      if (runId !== undefined) this.#starts.set(runId, pending);
      this.#post(spelled);
    });
  }

  /** There is a new link: everything once more, in the order of asking. */
  postAll(): void {
    for (const pending of this.#pending.values()) {
      pending.parts.length = 0;
      this.#post(pending);
    }
  }

  /** A message has come; whether it was the answer to something here. */
  hear(message: Message): boolean {
    if (isEvent(message)) {
      this.#starts.get(message.runId)?.resolve(message);
      return false;
    }
    const pending = this.#pending.get(replyTo(message) ?? "");
    if (pending === undefined) return false;
    if (message.type === "workflow.snapshot") {
      pending.parts.push(message.payload);
      if (message.payload.part !== message.payload.parts) return true;
      pending.resolve({ ...message, payload: joined(pending.parts) });
      return true;
    }
    const refused = refusalOf(message);
    if (refused === null) pending.resolve(message);
    else pending.reject(refused);
    return true;
  }

  /** One of the commands was more than the server takes at once, and it does not say which. */
  refuseLargest(why: string): void {
    const all = [...this.#pending.values()];
    const largest = all.reduce(
      (one, other) => (other.text.length > one.text.length ? other : one),
      all[0] as Pending,
    );
    if (all.length > 0)
      largest.reject(new CommandRefused("too_large", `${largest.text.length} characters: ${why}`));
  }

  /** Nobody will answer. */
  end(error: () => Error): void {
    for (const pending of [...this.#pending.values()]) pending.reject(error());
  }
}

/** The id of the command that a message answers. */
export function replyTo(message: Message): string | undefined {
  const { replyTo } = message.payload as { replyTo?: unknown };
  return typeof replyTo === "string" ? replyTo : undefined;
}

/** What is thrown for a reply that refuses; null: it does not. */
function refusalOf(message: Message): CallboardError | null {
  switch (message.type) {
    case "error":
      return refusal(message.payload.code, message.payload.message);
    case "execution.log": {
      const {
        code,
        message: text,
        runId,
      } = message.payload as ServerMessages["execution.log"]["payload"] & {
        code?: string;
        runId?: string;
      };
      return runId === undefined ? refusal(code ?? "refused", text) : new RunActive(text, runId);
    }
    case "execution.error": {
      const { code, error, errors, warnings } = message.payload as {
        code: string;
        error: string;
        errors?: InvalidWorkflow["problems"];
        warnings?: InvalidWorkflow["problems"];
      };
      const problems = [...(errors ?? []), ...(warnings ?? [])];
      return problems.length > 0 ? new InvalidWorkflow(error, problems) : refusal(code, error);
    }
    default: {
      const { ok, code, error } = message.payload as { ok?: boolean; code?: string; error?: string };
      // What is wrong with a graph is the answer to `validate`, not a refusal.
      if (ok !== false || message.type === "workflow.validate") return null;
      return refusal(code ?? "refused", error ?? "the server refused");
    }
  }
}

/** What is thrown for a code of the server. */
export function refusal(code: string, text: string): CallboardError {
  return code === "busy" ? new Busy(text) : new CommandRefused(code, text);
}

/** The whole snapshot that a server sent in parts. */
export function joined(parts: readonly Snapshot[]): Snapshot {
  const { part: _, parts: __, ...first } = parts[0] as Snapshot;
  return {
    ...first,
    nodes: merged(parts.map((part) => part.nodes)),
    edges: merged(parts.map((part) => part.edges)),
    variables: merged(parts.map((part) => part.variables)),
  };
}

/** From entries: an id may be `__proto__`. */
function merged<T>(parts: readonly Record<string, T>[]): Record<string, T> {
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part)));
}

/** A name that nobody can guess. */
export function randomName(characters: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(Math.ceil(characters / 2)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .slice(0, characters);
}
