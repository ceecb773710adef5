/**
 * The nodes of a run that wait for a person, each with the form that answers it.
 *
 * Theory of operation: what a node asks is in its state, so a form is there for as long as the question is. What was
 * entered is kept apart (`drafts.ts`), for the question may be taken away and asked again.
 */
import type { Client, NodeState, RunState, Waiting } from "callboard";
import { useMemo } from "react";
import { useText } from "../i18n";
import { turns } from "../logs/filter";
import { draftOf, keepDraft } from "./drafts";
import { InputForm } from "./InputForm";
import "./input.css";
import { inputText } from "./text";

/** A node that waits, and for what. */
interface Asking {
  readonly nodeId: string;
  readonly node: NodeState;
  readonly waiting: Waiting;
}

/** The forms; nothing if no node waits. */
export function WaitingNodes({ run, client }: { run: RunState; client: Client }) {
  const t = useText(inputText);
  const asking = useMemo(() => waitingNodes(run.nodes), [run.nodes]);
  const labels = useMemo(() => new Map(run.graph?.nodes.map(({ id, label }) => [id, label])), [run.graph]);
  if (asking.length === 0) return null;
  return (
    <section className="waiting-nodes" data-testid="waiting-nodes" aria-label={t.region(asking.length)}>
      {asking.map(({ nodeId, node, waiting }) => {
        const question = `${nodeId} ${JSON.stringify([run.runId, node.iteration, waiting.schema])}`;
        return (
          <InputForm
            // Asked again – another turn, another attempt – it is another form.
            key={`${question} ${node.attempt} ${node.seq}`}
            client={client}
            runId={run.runId}
            nodeId={nodeId}
            label={`${labels.get(nodeId) ?? nodeId}${turns(node.iteration)}`}
            waiting={waiting}
            draft={draftOf(client, question)}
            onDraft={(draft) => keepDraft(client, question, draft)}
          />
        );
      })}
    </section>
  );
}

function waitingNodes(nodes: RunState["nodes"]): readonly Asking[] {
  const asking: Asking[] = [];
  for (const [nodeId, node] of Object.entries(nodes)) {
    if (node.status === "running" && node.waiting !== undefined) asking.push({ nodeId, node, waiting: node.waiting });
  }
  return asking;
}
