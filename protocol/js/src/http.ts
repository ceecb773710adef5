// HTTP calls to the server that a client is connected to, with its token. Bodies are the server's own:
// snake_case, seconds.

import { CallboardError, HttpFailure, Unreadable } from "./errors.js";
import type { Json } from "./generated/messages.js";
import type { JsonObject } from "./messages.js";

/** Calls over HTTP; see protocol.md for what there is. */
export class Http {
  readonly #base: string;
  readonly #token: string | undefined;

  /** @param base without a slash at its end. */
  constructor(base: string, token: string | undefined) {
    this.#base = base;
    this.#token = token;
  }

  /**
   * `GET` a path such as `/api/kinds`; the JSON of the answer, keys in snake_case.
   *
   * @throws HttpFailure: the server answered with an error.
   * @throws CallboardError with the code `unreachable`: nobody answered, or the answer broke off.
   * @throws Unreadable: the answer is no JSON.
   */
  async get<T = Json>(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<T> {
    return parsed<T>(path, await this.#call(path, { signal: options.signal ?? null }, text));
  }

  /** `GET` bytes, e.g. a screenshot. Throws what `get` throws. */
  async blob(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Blob> {
    return this.#call(path, { signal: options.signal ?? null }, (response) => response.blob());
  }

  /** `POST` a JSON body. Throws what `get` throws. */
  async post<T = Json>(
    path: string,
    body: JsonObject,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    const init = { method: "POST", body: JSON.stringify(body), signal: options.signal ?? null };
    return parsed<T>(path, await this.#call(path, init, text));
  }

  async #call<T>(path: string, init: RequestInit, read: (response: Response) => Promise<T>): Promise<T> {
    const headers: Record<string, string> = {};
    if (this.#token !== undefined) headers["Authorization"] = `Bearer ${this.#token}`;
    if (init.body !== undefined) headers["Content-Type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(`${this.#base}${path}`, { ...init, headers });
      if (response.ok) return await read(response);
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new CallboardError("unreachable", `${path}: nobody answers (${String(error)})`);
    }
    const said = (await response.json().catch(() => null)) as { error?: JsonObject } | null;
    const error = said?.error ?? {};
    const what = `${path}: ${String(error["message"] ?? `the server answered ${response.status}`)}`;
    throw new HttpFailure(response.status, String(error["code"] ?? "http_error"), what, {
      ...said,
      ...error,
    });
  }
}

function text(response: Response): Promise<string> {
  return response.text();
}

function parsed<T>(path: string, said: string): T {
  try {
    return JSON.parse(said) as T;
  } catch {
    throw new Unreadable(`${path}: the answer is no JSON`);
  }
}
