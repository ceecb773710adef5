// The part of `react-test-renderer` that the tests use; its own package has no types.

declare module "react-test-renderer" {
  import type { ReactNode } from "react";

  export interface ReactTestRenderer {
    toJSON(): unknown;
    update(element: ReactNode): void;
    unmount(): void;
  }

  export function create(element: ReactNode): ReactTestRenderer;
  export function act(callback: () => void | Promise<void>): Promise<void>;
}
