/** The buttons and the speed of a replay. */
import { useText } from "../i18n";
import { placeAt, SPEEDS, type Place, type Speed } from "./player";
import { replayText } from "./text";
import type { Timeline } from "./timeline";

/** Drawn, because not every font has these signs. */
const SIGNS = {
  first: "M2 3h2v10H2zM14 3v10L5 8z",
  "previous-mark": "M8 3v10L1 8zM15 3v10L8 8z",
  previous: "M12 3v10L4 8z",
  next: "M4 3v10l8-5z",
  "next-mark": "M8 3v10l7-5zM1 3v10l7-5z",
  last: "M12 3h2v10h-2zM2 3v10l9-5z",
} as const;

/** What the controls are given. */
export interface ControlsProps {
  readonly timeline: Timeline;
  readonly place: Place;
  readonly onPlace: (place: Place) => void;
  readonly playing: boolean;
  readonly onPlay: (playing: boolean) => void;
  readonly speed: Speed;
  readonly onSpeed: (speed: Speed) => void;
}

/** The buttons of a replay, `data-testid="replay-<what>"`, and its speed. */
export function Controls({ timeline, place, onPlace, playing, onPlay, speed, onSpeed }: ControlsProps) {
  const t = useText(replayText);
  const last = timeline.positions.length - 1;
  const before = timeline.ticks.findLast((tick) => tick.index < place.index)?.index ?? 0;
  const after = timeline.ticks.find((tick) => tick.index > place.index)?.index ?? last;
  const to = (index: number) => () => onPlace(placeAt(timeline, index));
  const [atBegin, atEnd] = [place.index === 0, place.index >= last];
  return (
    <>
      <div className="replay-buttons">
        <Act name="first" label={t.first} off={atBegin} onAct={to(0)} />
        <Act name="previous-mark" label={t.previousMark} off={atBegin} onAct={to(before)} />
        <Act name="previous" label={t.previous} off={atBegin} onAct={to(place.index - 1)} />
        <button
          type="button"
          className="button primary"
          data-testid="replay-play"
          data-playing={playing}
          onClick={() => onPlay(!playing)}
        >
          {playing ? t.pause : t.play}
        </button>
        <Act name="next" label={t.next} off={atEnd} onAct={to(place.index + 1)} />
        <Act name="next-mark" label={t.nextMark} off={atEnd} onAct={to(after)} />
        <Act name="last" label={t.last} off={atEnd} onAct={to(last)} />
      </div>
      <select
        className="field"
        data-testid="replay-speed"
        aria-label={t.speed}
        value={speed}
        onChange={(event) => onSpeed(SPEEDS.find((known) => String(known) === event.target.value) ?? 1)}
      >
        {SPEEDS.map((known) => (
          <option key={known} value={known}>
            {known === "max" ? t.max : `${known}×`}
          </option>
        ))}
      </select>
    </>
  );
}

interface ActProps {
  readonly name: keyof typeof SIGNS;
  readonly label: string;
  readonly off: boolean;
  readonly onAct: () => void;
}

/** It stays in the order of the keyboard when there is nothing to go to: a focus that is lost is worse. */
function Act({ name, label, off, onAct }: ActProps) {
  return (
    <button
      type="button"
      className="button replay-act"
      data-testid={`replay-${name}`}
      aria-label={label}
      title={label}
      aria-disabled={off || undefined}
      onClick={off ? undefined : onAct}
    >
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={SIGNS[name]} fill="currentColor" />
      </svg>
    </button>
  );
}
