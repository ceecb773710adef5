/** One field of a form, with its name, what it is for, and what is wrong with what was entered. */
import { useLayoutEffect, useRef, type ReactNode } from "react";
import { useText } from "../i18n";
import { begin, partOf, withPart, type Draft, type Hint } from "./answer";
import { keyOf } from "./refusal";
import type { Field, ListField, Path, ScalarField, TextFormat } from "./schema";
import { inputText } from "./text";

/** What a form and its fields share. */
export interface Entering {
  /** Unique in the page; ids of fields begin with it. */
  readonly id: string;
  readonly draft: Draft;
  readonly disabled: boolean;
  /** Key of a path → what would likely be refused there, as far as it is to be shown. */
  readonly hints: ReadonlyMap<string, Hint>;
  /** Key of a path → what was refused there, in the server's words. */
  readonly refused: ReadonlyMap<string, string>;
  readonly onEnter: (draft: Draft) => void;
  /** Somebody has been in a field, and left it. */
  readonly onLeave: (path: Path) => void;
}

/** The field, and the fields in it. */
export function FieldView({ field, entering }: { field: Field; entering: Entering }) {
  switch (field.kind) {
    case "object":
      return (
        <Group field={field} entering={entering} bare={field.path.length === 0}>
          {field.fields.map((inner) => (
            <FieldView key={keyOf(inner.path)} field={inner} entering={entering} />
          ))}
        </Group>
      );
    case "list":
      return <List field={field} entering={entering} />;
    case "boolean":
      return <YesOrNo field={field} entering={entering} />;
    default:
      return <Labelled field={field} entering={entering} />;
  }
}

function Group({
  field,
  entering,
  bare = false,
  children,
}: {
  field: Field;
  entering: Entering;
  bare?: boolean;
  children: ReactNode;
}) {
  const about = useAbout(field, entering);
  return (
    <fieldset className={bare ? "input-group bare" : "input-group"} aria-describedby={about.describedBy}>
      {about.title !== "" && <legend>{about.title}{!bare && <Mark field={field} />}</legend>}
      {about.description}
      {children}
      {about.faults}
    </fieldset>
  );
}

function List({ field, entering }: { field: ListField; entering: Entering }) {
  const t = useText(inputText);
  const add = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const added = useRef(false);
  const draft = partOf(entering.draft, field.path);
  const parts = Array.isArray(draft) ? (draft as readonly Draft[]) : [];
  useLayoutEffect(() => {
    if (!added.current) return;
    added.current = false;
    list.current?.querySelector<HTMLElement>("li:last-child :is(input, select, textarea)")?.focus();
  }, [parts.length]);
  const set = (next: readonly Draft[]) => entering.onEnter(withPart(entering.draft, field.path, next));
  return (
    <Group field={field} entering={entering}>
      <ul className="input-list" ref={list}>
        {parts.map((_, index) => (
          // An entry is what is at its position: nothing else tells one empty text from another.
          <li key={index}>
            <FieldView field={{ ...field.item(index), title: t.item(index + 1) }} entering={entering} />
            <button
              type="button"
              className="button quiet"
              aria-label={t.remove(index + 1)}
              disabled={entering.disabled}
              onClick={() => {
                set(parts.filter((_part, other) => other !== index));
                add.current?.focus();
              }}
            >
              <span aria-hidden="true">✕</span>
            </button>
          </li>
        ))}
      </ul>
      <button
        ref={add}
        type="button"
        className="button"
        disabled={entering.disabled}
        onClick={() => {
          added.current = true;
          set([...parts, begin(field.item(parts.length))]);
        }}
      >
        {t.add}
      </button>
    </Group>
  );
}

function YesOrNo({ field, entering }: { field: ScalarField; entering: Entering }) {
  const t = useText(inputText);
  const about = useAbout(field, entering);
  const choices = [
    { value: "true", label: t.yes },
    { value: "false", label: t.no },
    ...(field.required ? [] : [{ value: "", label: t.leaveOut }]),
  ];
  const value = partOf(entering.draft, field.path);
  return (
    <fieldset
      className="input-group input-boolean"
      role="radiogroup"
      aria-describedby={about.describedBy}
      aria-invalid={about.invalid}
      aria-required={field.required}
      id={about.id}
      data-testid={about.testId}
    >
      <legend>{about.title || t.answer}<Mark field={field} /></legend>
      {about.description}
      <div className="input-choices">
        {choices.map((choice) => (
          <label key={choice.value}>
            <input
              type="radio"
              name={about.id}
              value={choice.value}
              checked={value === choice.value}
              disabled={entering.disabled}
              onChange={() => entering.onEnter(withPart(entering.draft, field.path, choice.value))}
              onBlur={() => entering.onLeave(field.path)}
            />
            {choice.label}
          </label>
        ))}
      </div>
      {about.faults}
    </fieldset>
  );
}

type Simple = Exclude<Field, { kind: "object" | "list" | "boolean" }>;

function Labelled({ field, entering }: { field: Simple; entering: Entering }) {
  const t = useText(inputText);
  const about = useAbout(field, entering);
  return (
    <div className="input-field">
      <label htmlFor={about.id}>
        {about.title || (field.kind === "json" && field.path.length === 0 ? t.jsonLead : t.answer)}
        <Mark field={field} />
      </label>
      {about.description}
      <Control field={field} entering={entering} about={about} />
      {about.faults}
    </div>
  );
}

const INPUT_TYPES: Partial<Record<TextFormat, string>> = {
  date: "date",
  "date-time": "datetime-local",
  email: "email",
  url: "url",
  password: "password",
};

function Control({ field, entering, about }: { field: Simple; entering: Entering; about: About }) {
  const t = useText(inputText);
  const part = partOf(entering.draft, field.path);
  const shared = {
    id: about.id,
    className: "field",
    "data-testid": about.testId,
    value: typeof part === "string" ? part : "",
    disabled: entering.disabled,
    "aria-required": field.required,
    "aria-invalid": about.invalid,
    "aria-describedby": about.describedBy,
    onChange: (event: { target: { value: string } }) =>
      entering.onEnter(withPart(entering.draft, field.path, event.target.value)),
    onBlur: () => entering.onLeave(field.path),
  };
  switch (field.kind) {
    case "choice":
      return (
        <select {...shared}>
          <option value="">{t.choose}</option>
          {field.options.map((option, index) => (
            <option key={index} value={index}>
              {option.label}
            </option>
          ))}
        </select>
      );
    case "json":
      return <textarea {...shared} className="field code" rows={rows(shared.value, 4)} spellCheck={false} />;
    case "any":
      return <textarea {...shared} rows={rows(shared.value, 2)} />;
    case "number":
      return <input {...shared} type="text" inputMode={field.integer ? "numeric" : "decimal"} autoComplete="off" />;
    case "text":
      if (field.format === "multiline") return <textarea {...shared} rows={rows(shared.value, 3)} />;
      return (
        <input
          {...shared}
          type={INPUT_TYPES[field.format] ?? "text"}
          step={field.format === "date-time" ? 1 : undefined}
          autoComplete={field.format === "password" ? "off" : undefined}
        />
      );
  }
}

/** As many lines as the text has, within bounds. */
function rows(text: string, least: number): number {
  return Math.min(16, Math.max(least, text.split("\n").length));
}

function Mark({ field }: { field: Field }) {
  const t = useText(inputText);
  // The one answer there is goes without saying.
  if (field.path.length === 0 || typeof field.path[field.path.length - 1] === "number") return null;
  return <span className="input-mark">{field.required ? t.required : t.optional}</span>;
}

interface About {
  readonly id: string;
  readonly testId: string;
  readonly title: string;
  readonly description: ReactNode;
  readonly faults: ReactNode;
  readonly describedBy: string | undefined;
  readonly invalid: boolean | undefined;
}

function useAbout(field: Field, entering: Entering): About {
  const t = useText(inputText);
  const key = keyOf(field.path);
  const id = idOf(entering.id, field.path);
  const refused = entering.refused.get(key);
  // The server's words go before ours.
  const hint = refused === undefined ? entering.hints.get(key) : undefined;
  const ids = [
    field.description === undefined ? "" : `${id}-about`,
    refused === undefined ? "" : `${id}-refused`,
    hint === undefined ? "" : `${id}-hint`,
  ].filter((each) => each !== "");
  return {
    id,
    testId: `input-field-${field.path.join(".")}`,
    title: field.title,
    description: field.description === undefined ? null : (
      <p id={`${id}-about`} className="input-about muted">
        {field.description}
      </p>
    ),
    faults: (
      <>
        {refused !== undefined && (
          <p id={`${id}-refused`} className="input-fault error-text">
            {refused}
          </p>
        )}
        {hint !== undefined && (
          <p id={`${id}-hint`} className="input-hint" data-testid="input-hint">
            {wordsOf(hint, t.hints)}
          </p>
        )}
      </>
    ),
    describedBy: ids.length === 0 ? undefined : ids.join(" "),
    invalid: refused !== undefined || hint !== undefined || undefined,
  };
}

/** The id of the control, or of the group of controls, that is for a path. */
export function idOf(form: string, path: Path): string {
  // Ids may have no spaces in them: others name them in lists parted by spaces.
  return `${form}${path.map((step) => `-${encodeURIComponent(step)}`).join("")}`;
}

function wordsOf(hint: Hint, words: Record<Hint["what"], string | ((limit: string | number) => string)>): string {
  const word = words[hint.what];
  return typeof word === "string" ? word : word(hint.limit ?? "");
}
