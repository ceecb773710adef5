// Which WebSocket: the one of the platform (browsers, Node >= 22), else the package `ws` (Node 20), asked for
// when needed.

/** The part of a WebSocket that is used. */
export interface Socket {
  readonly readyState: number;
  readonly protocol: string;
  readonly bufferedAmount: number;
  onopen: ((event: unknown) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  /** `ws` only: end at once, without a closing handshake. */
  terminate?(): void;
}

/** Makes a WebSocket: the standard's constructor. */
export type SocketClass = new (url: string, protocols: string[]) => Socket;

/**
 * The WebSocket of this platform.
 *
 * @throws Error: there is none; the message says which package to install.
 */
export async function platformSocket(): Promise<SocketClass> {
  const own = (globalThis as { WebSocket?: unknown }).WebSocket;
  if (own !== undefined) return own as SocketClass;
  // Not a literal: a bundler for browsers is not to look for it.
  const name = "ws";
  try {
    const module = (await import(/* @vite-ignore */ name)) as { WebSocket: SocketClass };
    return module.WebSocket;
  } catch (error) {
    throw new Error("this platform has no WebSocket: use Node >= 22, or install the package `ws`", {
      cause: error,
    });
  }
}
