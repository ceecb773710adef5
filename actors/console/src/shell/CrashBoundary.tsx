/** Keeps an error of one page from taking the shell with it. */
import { Component, type ReactNode } from "react";
import { useText } from "../i18n";
import { shellText } from "./text";

interface Props {
  /** What is shown inside; another one is a new attempt. */
  readonly of: string;
  readonly children: ReactNode;
}

interface State {
  readonly of: string;
  readonly problem: string | null;
}

/** Keeps a page that fails from taking the shell with it, so that one can go elsewhere. `data-testid="crashed"`. */
export class CrashBoundary extends Component<Props, State> {
  override state: State = { of: this.props.of, problem: null };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { problem: String(error) };
  }

  static getDerivedStateFromProps({ of }: Props, state: State): State | null {
    return of === state.of ? null : { of, problem: null };
  }

  override render(): ReactNode {
    const { problem } = this.state;
    return problem === null ? this.props.children : <Crashed problem={problem} />;
  }
}

function Crashed({ problem }: { problem: string }) {
  const t = useText(shellText);
  return (
    <section className="page narrow" role="alert" data-testid="crashed">
      <h1>{t.crashed}</h1>
      <pre className="error-box">{problem}</pre>
      <button type="button" className="button" onClick={() => location.reload()}>
        {t.reload}
      </button>
    </section>
  );
}
