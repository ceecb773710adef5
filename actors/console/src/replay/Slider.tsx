/** The run's timeline, to be drawn along or moved by the keys: arrows go by events, Page keys by a twentieth; the space bar plays. */
import { useRef, type KeyboardEvent, type PointerEvent } from "react";
import { formatDuration } from "../format";
import { useText } from "../i18n";
import { placeAt, placeOn, type Place } from "./player";
import { replayText } from "./text";
import { clock, thin, type Tick, type Timeline } from "./timeline";

/** Of a slider, about, in pixels: ticks nearer to each other than one are drawn as one. */
const WIDTH = 600;

/** What the slider is given. */
export interface SliderProps {
  readonly timeline: Timeline;
  readonly place: Place;
  readonly onPlace: (place: Place) => void;
  /** The seq of the event it is at, and of the last one. */
  readonly seq: number;
  readonly lastSeq: number;
  /** What the event says, in words. */
  readonly what: string;
  /** Play, or stop playing: the space bar. */
  readonly onPlay: () => void;
}

/** The slider. `data-testid="replay-slider"`. */
export function Slider({ timeline, place, onPlace, seq, lastSeq, what, onPlay }: SliderProps) {
  const t = useText(replayText);
  const track = useRef<HTMLDivElement>(null);
  const { duration } = timeline;
  const share = (position: number) => (duration === 0 ? 0 : (100 * position) / duration);

  const onKeyDown = (event: KeyboardEvent) => {
    const twentieth = duration / 20;
    const moves: Record<string, () => Place> = {
      ArrowRight: () => placeAt(timeline, place.index + 1),
      ArrowUp: () => placeAt(timeline, place.index + 1),
      ArrowLeft: () => placeAt(timeline, place.index - 1),
      ArrowDown: () => placeAt(timeline, place.index - 1),
      PageUp: () => later(timeline, place, twentieth),
      PageDown: () => earlier(timeline, place, twentieth),
      Home: () => placeAt(timeline, 0),
      End: () => placeAt(timeline, timeline.positions.length - 1),
    };
    const move = moves[event.key];
    if ((move === undefined && event.key !== " ") || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (move === undefined) onPlay();
    else onPlace(move());
  };

  const toPointer = (event: PointerEvent) => {
    const box = track.current?.getBoundingClientRect();
    if (box === undefined || box.width === 0) return;
    onPlace(placeOn(timeline, (duration * (event.clientX - box.left)) / box.width));
  };

  return (
    <div
      className="replay-slider"
      data-testid="replay-slider"
      role="slider"
      tabIndex={0}
      aria-label={t.slider}
      aria-valuemin={1}
      aria-valuemax={lastSeq}
      aria-valuenow={seq}
      aria-valuetext={t.moment(seq, lastSeq, clock(place.position), what)}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        toPointer(event);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) toPointer(event);
      }}
    >
      <div className="replay-track" ref={track}>
        <div className="replay-done" style={{ width: `${share(place.position)}%` }} />
        {thin(timeline.ticks, duration, WIDTH).map((tick) => (
          <span
            key={tick.index}
            className="replay-tick"
            data-kind={tick.kind}
            style={{ left: `${share(tick.position)}%` }}
            title={`${clock(tick.position)} · ${markOf(tick, t.marks)}${tick.nodeId === undefined ? "" : ` · ${tick.nodeId}`}`}
          />
        ))}
        <div className="replay-thumb" style={{ left: `${share(place.position)}%` }} />
      </div>
    </div>
  );
}

/** So much later, and at least by one event. */
function later(timeline: Timeline, place: Place, by: number): Place {
  const next = placeOn(timeline, place.position + by);
  return next.index > place.index ? next : placeAt(timeline, place.index + 1);
}

/** So much earlier, and at least by one event. */
function earlier(timeline: Timeline, place: Place, by: number): Place {
  const next = placeOn(timeline, place.position - by);
  return next.index < place.index ? next : placeAt(timeline, place.index - 1);
}

function markOf(tick: Tick, words: { [kind in Tick["kind"]]: string | ((length: string) => string) }): string {
  const word = words[tick.kind];
  if (typeof word === "string") return word;
  return word(tick.pausedFor === undefined ? "" : formatDuration(tick.pausedFor));
}
