/**
 * The form that answers one question.
 *
 * Theory of operation: the form is made of the question's schema; what it can not show is written as JSON text, as may
 * be the whole answer. Nothing is decided here: hints are shown beside what was entered, the answer is sent all the same,
 * and whatever the server says against it is shown in its own words, at the fields that it names. A form that was
 * answered stays until the question is gone from the node's state.
 */
import { CallboardError, type Client, type Json, type Waiting } from "callboard";
import { useClientState } from "callboard/react";
import { useEffect, useId, useMemo, useRef, useState, type FormEvent } from "react";
import { formatDuration, formatInstant, formatMoment } from "../format";
import { useText } from "../i18n";
import { begin, hints, partOf, read, type Draft } from "./answer";
import { FieldView, idOf, type Entering } from "./FieldView";
import { keyOf, refusal, type Refusal } from "./refusal";
import { fieldsOf, formOf, type Field, type JsonField, type Path } from "./schema";
import { inputText } from "./text";
import { useAfterClick } from "./useAfterClick";

/** What the form is given. */
export interface InputFormProps {
  readonly client: Client;
  readonly runId: string;
  readonly nodeId: string;
  /** The node as people know it. */
  readonly label: string;
  readonly waiting: Waiting;
  /** What was entered before; undefined: nothing. */
  readonly draft: Draft | undefined;
  /** What is entered now; null: it was sent. */
  readonly onDraft: (draft: Draft | null) => void;
}

type Sending =
  | { readonly is: "idle" }
  | { readonly is: "sending" }
  | { readonly is: "taken"; readonly paused: boolean }
  | { readonly is: "refused"; readonly by: Refusal; readonly sent: Draft };

const NO_REFUSAL: Refusal = { at: new Map(), rest: [] };
const WHOLE: JsonField = { kind: "json", path: [], title: "", required: true, nullable: false };

/** The form. `data-testid="input-form-<nodeId>"`. */
export function InputForm({ client, runId, nodeId, label, waiting, draft: kept, onDraft }: InputFormProps) {
  const t = useText(inputText);
  const { state } = useClientState(client);
  const id = useId();
  const form = useMemo(() => formOf(waiting.schema), [waiting.schema]);
  /** null: by the form; else the whole answer as JSON text. */
  const [whole, setWhole] = useState<string | null>(null);
  const [asJson, setAsJson] = useState(false);
  const [draft, setDraft] = useState<Draft>(() => kept ?? begin(form));
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [tried, setTried] = useState(false);
  const [sending, setSending] = useState<Sending>({ is: "idle" });
  const refused = useRef<HTMLDivElement>(null);

  const field: Field = whole !== null || (asJson && form.kind === "any") ? { ...WHOLE, title: form.title } : form;
  const entered = whole ?? draft;
  const found = useMemo(() => hints(field, entered), [field, entered]);
  const unreadable = found.some((hint) => hint.unreadable);
  const by = sending.is === "refused" ? sending.by : NO_REFUSAL;
  const afterClick = useAfterClick();
  const busy = sending.is === "sending" || sending.is === "taken";

  useEffect(() => {
    if (sending.is === "refused") refused.current?.focus();
  }, [sending]);

  const entering: Entering = {
    id,
    draft: entered,
    disabled: busy,
    hints: new Map(
      found.filter(({ path }) => tried || left.has(keyOf(path))).map((hint) => [keyOf(hint.path), hint] as const),
    ),
    // What was changed since is another answer.
    refused: sending.is === "refused" ? unchanged(sending.by.at, sending.sent, entered) : NO_REFUSAL.at,
    onEnter: (next) => {
      if (whole !== null && typeof next === "string") {
        setWhole(next);
      } else {
        setDraft(next);
        onDraft(next);
      }
    },
    onLeave: (path: Path) => afterClick(() => setLeft((before) => new Set(before).add(keyOf(path)))),
  };

  const send = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (unreadable || busy) return;
    const answer = (read(field, entered) ?? null) as Json;
    setSending({ is: "sending" });
    try {
      const reply = await client.sendInput(runId, nodeId, answer);
      onDraft(null);
      setSending({ is: "taken", paused: reply.status !== "running" });
    } catch (error) {
      if (!(error instanceof CallboardError)) throw error;
      setSending({ is: "refused", by: refusal(error.message, field), sent: entered });
    }
  };

  const toJson = () => {
    let text = "";
    try {
      text = JSON.stringify(read(form, draft) ?? null, null, 2);
    } catch {
      // What was entered in a field of JSON text is none: begin with an empty page.
    }
    setWhole(text);
  };

  const toForm = () => {
    try {
      const next = begin(form, JSON.parse(whole ?? "") as Json);
      setDraft(next);
      onDraft(next);
    } catch {
      // What was written is no JSON: the form has what it had.
    }
    setWhole(null);
  };

  return (
    <form
      className="input-form panel"
      data-testid={`input-form-${nodeId}`}
      aria-labelledby={`${id}-asks`}
      noValidate
      onSubmit={(event) => void send(event)}
    >
      <header className="input-head">
        <h2 id={`${id}-asks`}>{t.asks(label)}</h2>
        {waiting.until !== undefined && <Deadline until={waiting.until} />}
      </header>
      <p className="input-prompt">{waiting.prompt || t.noPrompt}</p>
      {sending.is === "refused" && (
        <div ref={refused} className="input-refused" role="alert" tabIndex={-1} data-testid="input-refused">
          <p>{t.refused}</p>
          <ul>
            {[...by.at].map(([key, words]) => {
              const path = JSON.parse(key) as Path;
              return (
                <li key={key}>
                  <button type="button" onClick={() => focusField(idOf(id, path))}>
                    {nameOf(field, path) || t.answer}
                  </button>
                  : {words}
                </li>
              );
            })}
            {by.rest.map((words) => (
              <li key={words}>{words}</li>
            ))}
          </ul>
        </div>
      )}
      <FieldView field={field} entering={entering} />
      {form.kind === "any" && <AsWhat asJson={asJson} onChange={setAsJson} id={id} />}
      <footer className="input-foot">
        <button
          type="submit"
          className="button primary"
          data-testid="input-send"
          aria-disabled={busy || undefined}
          // Else the field loses the focus first, its hint moves this button, and the click meets nothing.
          onMouseDown={(event) => event.preventDefault()}
        >
          {sending.is === "sending" ? t.sending : t.send}
        </button>
        {form.kind !== "any" && form.kind !== "json" && (
          <button type="button" className="button quiet" disabled={busy} onClick={whole === null ? toJson : toForm}>
            {whole === null ? t.wholeAsJson : t.asForm}
          </button>
        )}
        <span role="status" className="muted">
          {sending.is === "sending" && state !== "live" && t.away}
          {sending.is === "taken" && (sending.paused ? t.sentPaused : t.sent)}
        </span>
      </footer>
    </form>
  );
}

interface AsWhatProps {
  readonly asJson: boolean;
  readonly onChange: (asJson: boolean) => void;
  readonly id: string;
}

function AsWhat({ asJson, onChange, id }: AsWhatProps) {
  const t = useText(inputText);
  return (
    <div className="input-choices">
      {[false, true].map((json) => (
        <label key={String(json)}>
          <input type="radio" name={`${id}-as`} checked={asJson === json} onChange={() => onChange(json)} />
          {json ? t.asJson : t.asText}
        </label>
      ))}
    </div>
  );
}

/** Until when, and how long that is. */
function Deadline({ until }: { until: number }) {
  const t = useText(inputText);
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const left = until - now;
  return (
    <p className="input-deadline number" data-testid="input-deadline" data-urgent={left < 60_000} title={formatInstant(until)}>
      {t.until(formatMoment(until))} <span role="timer">· {left > 0 ? t.left(formatDuration(Math.ceil(left / 1000) * 1000)) : t.timeIsUp}</span>
    </p>
  );
}

/** A field as people know it, with what it is in: `Address › Street`, `Tags › 2`. */
function nameOf(form: Field, path: Path): string {
  const titles = new Map([...fieldsOf(form)].map((each) => [keyOf(each.path), each.title]));
  const names = path.map((step, index) =>
    typeof step === "number" ? String(step + 1) : titles.get(keyOf(path.slice(0, index + 1))) || step,
  );
  return names.join(" › ");
}

/** A group of controls is gone to by the first of them. */
function focusField(id: string): void {
  const element = document.getElementById(id);
  const control = element?.matches("input, select, textarea") ? element : element?.querySelector("input, select, textarea");
  if (control instanceof HTMLElement) control.focus();
}

/** The faults of fields in which nothing was changed since the answer was sent. */
function unchanged(at: Refusal["at"], sent: Draft, entered: Draft): Refusal["at"] {
  const same = (key: string) => partOf(sent, JSON.parse(key) as Path) === partOf(entered, JSON.parse(key) as Path);
  return new Map([...at].filter(([key]) => same(key)));
}
