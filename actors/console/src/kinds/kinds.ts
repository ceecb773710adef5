/** The kinds of nodes that the server can run, asked for once. */
import type { Client } from "callboard";
import { useEffect, useState } from "react";

interface Answer {
  readonly kinds: Readonly<Record<string, unknown>>;
}

const known = new WeakMap<Client, Promise<ReadonlySet<string>>>();

/** The names of the server's kinds; null until they are known. A server that does not tell them has none. */
export function useKinds(client: Client): ReadonlySet<string> | null {
  const [kinds, setKinds] = useState<ReadonlySet<string> | null>(null);
  useEffect(() => {
    let wanted = true;
    void kindsOf(client).then((names) => wanted && setKinds(names));
    return () => {
      wanted = false;
    };
  }, [client]);
  return kinds;
}

function kindsOf(client: Client): Promise<ReadonlySet<string>> {
  let asked = known.get(client);
  if (asked === undefined) {
    asked = client.http.get<Answer>("/api/kinds").then(
      (answer) => new Set(Object.keys(answer.kinds)),
      () => {
        // Not for ever: the next page that needs them asks again.
        known.delete(client);
        return new Set<string>();
      },
    );
    known.set(client, asked);
  }
  return asked;
}
