// The part of `ws` that the tests use; its own package has no types.

declare module "ws" {
  import type { AddressInfo } from "node:net";

  export class WebSocket {
    static readonly OPEN: number;
    static readonly CLOSED: number;
    constructor(url: string, protocols: string[]);
    readonly readyState: number;
    pause(): void;
    send(data: string | Buffer): void;
    close(code?: number, reason?: string): void;
    terminate(): void;
    on(event: "message", listener: (data: Buffer) => void): this;
  }

  export class WebSocketServer {
    constructor(options: {
      port: number;
      host: string;
      handleProtocols(offered: Set<string>): string | false;
    });
    readonly clients: Set<WebSocket>;
    address(): AddressInfo;
    close(): void;
    on(event: "connection", listener: (socket: WebSocket) => void): this;
    once(event: "listening", listener: (value?: unknown) => void): this;
  }
}
