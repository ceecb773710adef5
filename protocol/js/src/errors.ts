// What can go wrong, each with a stable `code`. A refusal is the server's word; nothing else was done then.

import type { Problem } from "./generated/messages.js";

/** The base of every error that this package throws on purpose. */
export class CallboardError extends Error {
  /** Stable, for programs. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * The server did not do what it was asked for; `code` is the server's own (`refused`, `bad_field`,
 * `unknown_workflow`, …).
 */
export class CommandRefused extends CallboardError {}

/** The graph cannot run. All of its problems are here; show them at `problem.nodeId`, `problem.edgeId`. */
export class InvalidWorkflow extends CallboardError {
  readonly problems: readonly Problem[];

  constructor(message: string, problems: readonly Problem[]) {
    super("invalid_workflow", message);
    this.problems = problems;
  }
}

/** The workflow has an unfinished run; `client.run(error.runId)` follows it. */
export class RunActive extends CallboardError {
  readonly runId: string;

  constructor(message: string, runId: string) {
    super("already_running", message);
    this.runId = runId;
  }
}

/** Too many commands wait for an answer, here or at the server. Try again later. */
export class Busy extends CallboardError {
  constructor(message: string) {
    super("busy", message);
  }
}

/** The client was closed by its own user. */
export class ClientClosed extends CallboardError {
  constructor(message = "the client was closed") {
    super("closed", message);
  }
}

/**
 * The server does not want this client (wrong token, foreign origin, replaced by another connection): it
 * stays away.
 */
export class ServerRefused extends CallboardError {
  /** The close code (4400–4499) or the HTTP status that said so. */
  readonly reason: number;

  constructor(message: string, reason: number) {
    super("server_refused", message);
    this.reason = reason;
  }
}

/** `maxAttempts` attempts in a row came to nothing. */
export class ServerUnreachable extends CallboardError {
  constructor(message: string) {
    super("server_unreachable", message);
  }
}

/** An HTTP call was answered with an error; `code` is the server's own. */
export class HttpFailure extends CallboardError {
  readonly status: number;
  /** The whole error object of the answer, e.g. with `errors` of an invalid workflow; keys in snake_case. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    code: string,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
  ) {
    super(code, message);
    this.status = status;
    this.details = details;
  }
}

/** A frame or a message that makes no sense. */
export class Unreadable extends CallboardError {
  constructor(message: string) {
    super("unreadable", message);
  }
}
