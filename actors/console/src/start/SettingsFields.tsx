/** The settings of a run that is about to start. */
import { useText } from "../i18n";
import type { Settings } from "./settings";
import { startText } from "./text";

/** The settings of a start. `data-testid`: `setting-<name>`. */
export function SettingsFields(props: {
  readonly settings: Settings;
  readonly onChange: (settings: Settings) => void;
  readonly bad: "timeout" | "more" | null;
}) {
  const { settings, onChange, bad } = props;
  const t = useText(startText);
  const set = (changed: Partial<Settings>) => onChange({ ...settings, ...changed });
  return (
    <fieldset className="settings">
      <legend>{t.settings}</legend>
      <label htmlFor="setting-workflow-id">{t.workflowId}</label>
      <input
        id="setting-workflow-id"
        data-testid="setting-workflow-id"
        className="field"
        placeholder={t.workflowIdHint}
        value={settings.workflowId}
        onChange={(event) => set({ workflowId: event.target.value })}
      />
      <label htmlFor="setting-timeout">{t.timeout}</label>
      <div>
        <input
          id="setting-timeout"
          data-testid="setting-timeout"
          className="field"
          inputMode="decimal"
          placeholder={t.timeoutHint}
          value={settings.timeout}
          aria-invalid={bad === "timeout"}
          aria-describedby={bad === "timeout" ? "setting-timeout-bad" : undefined}
          onChange={(event) => set({ timeout: event.target.value })}
        />
        {bad === "timeout" && (
          <p id="setting-timeout-bad" className="error-text">
            {t.timeoutBad}
          </p>
        )}
      </div>
      <label htmlFor="setting-driver">{t.driver}</label>
      <select
        id="setting-driver"
        data-testid="setting-driver"
        className="field"
        value={settings.driver}
        onChange={(event) => set({ driver: event.target.value as Settings["driver"] })}
      >
        {(["", "simulated", "browser"] as const).map((driver) => (
          <option key={driver} value={driver}>
            {t.drivers[driver]}
          </option>
        ))}
      </select>
      <label className="wide check">
        <input
          type="checkbox"
          data-testid="setting-dry-run"
          checked={settings.dryRun}
          onChange={(event) => set({ dryRun: event.target.checked })}
        />
        <span>
          {t.dryRun} <span className="muted">– {t.dryRunHint}</span>
        </span>
      </label>
      <details className="wide" open={settings.more !== "" || undefined}>
        <summary>{t.more}</summary>
        <textarea
          data-testid="setting-more"
          className="field code"
          rows={4}
          spellCheck={false}
          aria-label={t.more}
          placeholder={t.moreHint}
          value={settings.more}
          aria-invalid={bad === "more"}
          aria-describedby={bad === "more" ? "setting-more-bad" : undefined}
          onChange={(event) => set({ more: event.target.value })}
        />
        {bad === "more" && (
          <p id="setting-more-bad" className="error-text">
            {t.moreBad}
          </p>
        )}
      </details>
    </fieldset>
  );
}
