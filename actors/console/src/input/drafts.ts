/**
 * What was entered in forms that are not there now: a pause takes a question away and asks it again later, and so does
 * whoever looks at another page meanwhile. It is kept with the client, so until the page is loaded anew.
 */
import type { Client } from "callboard";
import type { Draft } from "./answer";

/** Questions whose drafts are kept; of more the oldest is forgotten. */
const KEPT = 100;

const DRAFTS = new WeakMap<Client, Map<string, Draft>>();

/** What was entered to a question; undefined: nothing. */
export function draftOf(client: Client, question: string): Draft | undefined {
  return DRAFTS.get(client)?.get(question);
}

/** Keep what was entered; null: it was sent. */
export function keepDraft(client: Client, question: string, draft: Draft | null): void {
  const drafts = DRAFTS.get(client) ?? new Map<string, Draft>();
  DRAFTS.set(client, drafts);
  drafts.delete(question);
  if (draft !== null) drafts.set(question, draft);
  const oldest = drafts.size > KEPT ? drafts.keys().next().value : undefined;
  if (oldest !== undefined) drafts.delete(oldest);
}
