/**
 * `#/runs/<id>/replay`: a run as it was at any moment: its canvas, its log, and what just happened.
 *
 * Theory of operation: the recording has everything; the page holds one place in it, moves that (by the slider, by steps,
 * by a frame while it plays), and shows what the recording says of it. The canvas is told past React, as on the page of a
 * run. Whoever is at the end of a run that goes on stays at its end. The place is in the address once it rests, so that a
 * moment can be sent to somebody.
 */
import { ENDED, type RunEvent, type RunState } from "callboard";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Canvas } from "../canvas/Canvas";
import { NO_MARKS, ofOwn, type CanvasSource, type Marks } from "../canvas/source";
import { formatInstant } from "../format";
import { drawable } from "../graph/model";
import { useText } from "../i18n";
import { JsonTree } from "../json/JsonTree";
import { LogPanel } from "../logs/LogPanel";
import { replaceQuery, runAddress } from "../route";
import { RunStatus } from "../run/RunStatus";
import { Splitter, useSize } from "../run/Splitter";
import { useClient } from "../session";
import { Controls } from "./Controls";
import { isEnd, placeAt, play, type Place, type Speed } from "./player";
import type { Recording } from "./recording";
import "./replay.css";
import { Slider } from "./Slider";
import { replayText } from "./text";
import { clock } from "./timeline";
import { useRecording, type Recorded } from "./useRecording";

/** Of the log and of the details, in pixels. */
const LEAST = 120;
const MOST = 900;

/** How long the place has to rest before it is put into the address. */
const REST_MS = 400;

/** The page. `seq`: the event to begin with; null: the first one. */
export function ReplayPage({ runId, seq }: { runId: string; seq: number | null }) {
  const t = useText(replayText);
  const recorded = useRecording(useClient(), runId);
  const { recording, problem } = recorded;
  const first = useRef(seq).current;
  const workflowId = recording?.event(0)?.workflowId ?? "";
  useEffect(() => {
    document.title = `${workflowId === "" ? t.title : t.of(workflowId)} – callboard`;
  }, [t, workflowId]);
  if (recording === null || recording.length === 0 || (first !== null && recording.lastSeq < first && !recorded.loaded)) {
    return (
      <section className="page narrow" aria-label={t.title}>
        <h1>{isUnknown(problem) ? t.unknown : t.title}</h1>
        <p className="muted" role="status">
          {problem === null && (recorded.loaded ? t.nothing : t.loading(recording?.length ?? 0, recorded.total))}
          {problem !== null && (isUnknown(problem) ? t.unknownLead(runId) : t.failed(problem.message))}
        </p>
      </section>
    );
  }
  return <Replay key={runId} recorded={recorded} recording={recording} runId={runId} first={first ?? 1} />;
}

function isUnknown(problem: Recorded["problem"]): boolean {
  return problem !== null && problem.code.startsWith("unknown_");
}

interface ReplayProps {
  readonly recorded: Recorded;
  readonly recording: Recording;
  readonly runId: string;
  readonly first: number;
}

function Replay({ recorded, recording, runId, first }: ReplayProps) {
  const t = useText(replayText);
  const { timeline } = recording;
  const [place, setPlace] = useState<Place>(() => placeAt(timeline, recording.indexOf(first)));
  const [speed, setSpeed] = useState<Speed>(1);
  const [playing, setPlaying] = usePlaying(recorded, recording, speed, setPlace);
  const [selected, setSelected] = useState<string | null>(null);
  const [height, setHeight] = useSize("replay-log", 220, LEAST, MOST);
  const [width, setWidth] = useSize("replay-details", 340, LEAST, MOST);
  useStayAtEnd(recorded, recording, place, setPlace);

  const event = recording.event(place.index)!;
  const state = recording.state(place.index);
  const lines = recording.lines(place.index);
  const graph = useMemo(() => (recorded.graph === undefined ? null : drawable(recorded.graph)), [recorded.graph]);
  const held = state.reason === "breakpoint" ? (state.pausedAt ?? null) : null;
  const marks: Marks = useMemo(
    () => ({ ...NO_MARKS, selected, breakpoints: new Set(state.breakpoints), held }),
    [selected, state.breakpoints, held],
  );
  const source = useSource(state);
  useAddress(event.seq, playing);

  const move = useCallback(
    (next: Place) => {
      setPlaying(false);
      setPlace(next);
    },
    [setPlaying],
  );
  const onPlay = (next: boolean) => {
    // From the end it plays from the beginning.
    if (next && isEnd(timeline, place)) setPlace(placeAt(timeline, 0));
    setPlaying(next);
  };
  const toSeq = useCallback((seq: number) => move(placeAt(timeline, recording.indexOf(seq))), [move, timeline, recording]);
  const firstSeq = recording.event(0)?.seq ?? 1;
  return (
    <section className="replay-page" data-testid="replay-page" data-run={runId} aria-label={t.of(state.workflowId)}>
      <header className="replay-head">
        <h1>
          {t.title} <a href={runAddress(runId)}>{state.workflowId || runId}</a>
        </h1>
        <RunStatus status={state.status} testId="replay-status" />
        <Notes recorded={recorded} recording={recording} firstSeq={firstSeq} />
      </header>
      <div className="replay-bar" role="group" aria-label={t.controls}>
        <Controls
          timeline={timeline}
          place={place}
          onPlace={move}
          playing={playing}
          onPlay={onPlay}
          speed={speed}
          onSpeed={setSpeed}
        />
        <Slider
          timeline={timeline}
          place={place}
          onPlace={move}
          seq={event.seq}
          lastSeq={recording.lastSeq}
          what={wordsOf(event)}
          onPlay={() => onPlay(!playing)}
        />
        <p className="replay-where number">
          <span title={formatInstant(event.timestamp)}>
            {clock(place.position)} <span className="muted">/ {clock(timeline.duration)}</span>
          </span>
          <span>
            {t.event} <span data-testid="replay-seq">{event.seq}</span>{" "}
            <span className="muted">{t.ofEvents(recording.lastSeq)}</span>
          </span>
        </p>
      </div>
      <div className="replay-middle">
        <div className="replay-canvas">
          {graph === null ? (
            <p className="muted replay-empty">{t.noGraph}</p>
          ) : (
            <Canvas graph={graph} source={source} marks={marks} onSelect={setSelected} />
          )}
        </div>
        <Splitter label={t.width} direction="row" size={width} least={LEAST} most={MOST} onSize={setWidth} />
        <section className="replay-details" style={{ width }} aria-label={t.details} tabIndex={0}>
          {selected === null ? (
            <Happened event={event} />
          ) : (
            <NodeThen state={state} nodeId={selected} onClose={() => setSelected(null)} />
          )}
        </section>
      </div>
      <Splitter label={t.height} direction="column" size={height} least={LEAST} most={MOST} onSize={setHeight} />
      <div className="replay-log" style={{ height }}>
        <LogPanel lines={lines} onNode={setSelected} onSeq={toSeq} name={`log-${runId}`} />
      </div>
    </section>
  );
}

function Notes({ recorded, recording, firstSeq }: { recorded: Recorded; recording: Recording; firstSeq: number }) {
  const t = useText(replayText);
  const notes = [
    recorded.problem === null ? "" : t.failed(recorded.problem.message),
    recorded.loaded || recorded.problem !== null ? "" : t.loading(recording.length, recorded.total),
    recorded.loaded && !recorded.closed ? t.goesOn : "",
    firstSeq > 1 ? t.trimmed(firstSeq) : "",
  ].filter((note) => note !== "");
  return (
    <p className="muted" role="status">
      {notes.join(" ")}
    </p>
  );
}

function Happened({ event }: { event: RunEvent }) {
  const t = useText(replayText);
  return (
    <>
      <h2>{t.happened}</h2>
      <p className="replay-event" data-testid="replay-event">
        {wordsOf(event)}
      </p>
      <p className="muted number">{formatInstant(event.timestamp)}</p>
      <JsonTree value={event.payload} open={2} />
    </>
  );
}

function NodeThen({ state, nodeId, onClose }: { state: RunState; nodeId: string; onClose: () => void }) {
  const t = useText(replayText);
  const node = ofOwn(state.nodes, nodeId);
  return (
    <>
      <h2 data-testid="replay-node">{t.node(nodeId)}</h2>
      {node === undefined ? <p className="muted">{t.notYet}</p> : <JsonTree value={node} open={2} />}
      <p>
        <button type="button" className="button" onClick={onClose}>
          {t.closeNode}
        </button>
      </p>
    </>
  );
}

/** An event in some words: its type, its node, its status or message. */
function wordsOf(event: RunEvent): string {
  const payload = event.payload as { nodeId?: string; status?: string; message?: string; error?: string };
  const status = event.type.startsWith("node.") ? undefined : payload.status;
  return [event.type, payload.nodeId, status, payload.error ?? payload.message].filter(Boolean).join(" · ");
}

/** What the canvas draws from: the newest state, told when it has changed. */
function useSource(state: RunState): CanvasSource {
  const listeners = useRef(new Set<() => void>()).current;
  const newest = useRef(state);
  useEffect(() => {
    newest.current = state;
    for (const listener of listeners) listener();
  }, [listeners, state]);
  return useMemo(
    () => ({
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      get current() {
        return newest.current;
      },
    }),
    [listeners],
  );
}

/** Whether it plays; while it does, the place moves with every frame, and stops at the end of what there is. */
function usePlaying(
  recorded: Recorded,
  recording: Recording,
  speed: Speed,
  setPlace: (change: (place: Place) => Place) => void,
): [boolean, (playing: boolean) => void] {
  const [playing, setPlaying] = useState(false);
  const complete = recorded.loaded;
  useEffect(() => {
    if (!playing) return;
    let frame = 0;
    let before = performance.now();
    let ended = false;
    const step = (now: number) => {
      const elapsed = now - before;
      before = now;
      setPlace((place) => {
        const next = play(recording.timeline, place, speed, elapsed);
        ended = isEnd(recording.timeline, next);
        return next;
      });
      if (ended && complete) setPlaying(false);
      else frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [playing, speed, recording, complete, setPlace]);
  return [playing, setPlaying];
}

/** Whoever is at the end of a run that goes on stays at its end; not while its past is still being fetched. */
function useStayAtEnd(recorded: Recorded, recording: Recording, place: Place, setPlace: (place: Place) => void): void {
  const before = useRef({ length: recording.length, loaded: recorded.loaded });
  useEffect(() => {
    const { length, loaded } = before.current;
    before.current = { length: recording.length, loaded: recorded.loaded };
    const status = recording.state(length - 1).status;
    if (recording.length > length && loaded && place.index === length - 1 && !ENDED.has(status)) {
      setPlace(placeAt(recording.timeline, recording.length - 1));
    }
  }, [recorded, recording, place, setPlace]);
}

/** The place in the address, once it rests. */
function useAddress(seq: number, playing: boolean): void {
  useEffect(() => {
    if (playing) return;
    const timer = setTimeout(() => replaceQuery({ seq: seq === 1 ? "" : String(seq) }), REST_MS);
    return () => clearTimeout(timer);
  }, [seq, playing]);
}
