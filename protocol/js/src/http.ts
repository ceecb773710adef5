// HTTP calls to the server that a client is connected to, with its token. Bodies are the server's own:
// snake_case, seconds.

import { CallboardError, HttpFailure } from "./errors.js";
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
   * @throws CallboardError with the code `unreachable`: nobody answered.
   */
  async get<T = Json>(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<T> {
    return (await (await this.#call(path, { signal: options.signal ?? null })).json()) as T;
  }

  /** `GET` bytes, e.g. a screenshot. Throws what `get` throws. */
  async blob(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Blob> {
    return (await this.#call(path, { signal: options.signal ?? null })).blob();
  }

  /** `POST` a JSON body. Throws what `get` throws. */
  async post<T = Json>(
    path: string,
    body: JsonObject,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    const init = { method: "POST", body: JSON.stringify(body), signal: options.signal ?? null };
    return (await (await this.#call(path, init)).json()) as T;
  }

  async #call(path: string, init: RequestInit): Promise<Response> {
    const headers: Record<string, string> = {};
    if (this.#token !== undefined) headers["Authorization"] = `Bearer ${this.#token}`;
    if (init.body !== undefined) headers["Content-Type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(`${this.#base}${path}`, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new CallboardError("unreachable", `${path}: nobody answers (${String(error)})`);
    }
    if (response.ok) return response;
    const said = (await response.json().catch(() => null)) as { error?: JsonObject } | null;
    const error = said?.error ?? {};
    const text = `${path}: ${String(error["message"] ?? `the server answered ${response.status}`)}`;
    throw new HttpFailure(response.status, String(error["code"] ?? "http_error"), text, {
      ...said,
      ...error,
    });
  }
}
