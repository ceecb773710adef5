// What a client follows: runs, workflows, or all runs; and the subscriptions that this takes.
//
// Theory of operation: a `Track` is one run that is heard. It has up to two cursors: that of the client's own
// stream (`on`, async iteration), and that of the run's fold, which may have begun earlier. A cursor lets
// each seq pass once, in order: what was here before is a repeat, what jumps is a gap. The server knows one
// position per connection and run, the newest asked for; a subscription is asked for behind the lower cursor,
// and the other one ignores what it knows.
//
// Between a subscription and its confirmation what comes may jump: it will come again. After that a gap is
// asked for again, MAX_GAPS times; then the run is asked for without a position, which gives a snapshot and
// goes on from there. What the server left out to spare a slow client it says (`conflated`), and that is no
// gap. On each new link everything is asked for again behind its cursor, so nothing depends on what the
// server remembers of a connection.
//
// Of a workflow, the runs that began and perhaps ended while this client was away are listed when it is back,
// the newest page of them, and heard from their first event.
//
// A track ends with its run's ending. Runs that nobody wants are dropped, and the server is asked to send no
// more of their workflow. Bounds: as many tracks as are wanted, and KEPT of those that ended, to know repeats
// of them.

import type { Asking, Spelled } from "./asking.js";
import { joined, replyTo } from "./asking.js";
import type { Snapshot } from "./fold.js";
import type { ServerMessages } from "./generated/messages.js";
import { isEnding, type Message, type RunEvent } from "./messages.js";

/** Times that what follows one seq is asked for again, before it counts as lost. */
const MAX_GAPS = 3;
/** A position that no run has: it is answered with a reset and a snapshot. */
const BEYOND = 999_999_999_999_999;
/** Tracks of runs that nobody named are remembered as long as there are no more than so many. */
const KEPT = 4_096;

/** What somebody wants to hear. */
export interface Wish {
  readonly runId: string | undefined;
  /** `*`: all runs. */
  readonly workflowId: string | undefined;
  /** Message types or groups; undefined: all. */
  readonly types: readonly string[] | undefined;
  readonly lossless: boolean;
  /** Where to begin: a seq of the run, or the id of an event. */
  readonly after: number | string | undefined;
}

/** The fold of a run, as a track sees it. */
export interface Hearer {
  readonly lastSeq: number;
  hear(event: RunEvent, skipped: number): void;
  reset(snapshot: Snapshot): void;
  /** Why nothing is heard of the run; undefined: it is heard. */
  fail(problem: { code: string; message: string } | undefined): void;
}

type Taken = "next" | "repeat" | "gap";

/** How far one reader of a run is. */
interface Cursor {
  /** null: nothing was heard yet, and whatever comes first is the beginning. */
  last: number | null;
}

interface Track {
  readonly runId: string;
  workflowId: string;
  readonly stream: Cursor;
  hearer: Hearer | null;
  readonly wishes: Set<Wish>;
  /** The subscription that is not confirmed yet. */
  asked: string | null;
  /** It was asked for by itself; the server remembers that beyond the ending. */
  subscribed: boolean;
  /** The server was asked, or sends of its own accord (a start). */
  place: "idle" | "starting" | "asked" | "following" | "ended";
  /** The newest seq that there was when the server confirmed. */
  head: number;
  gapAt: number;
  gaps: number;
  /** Of the snapshot that a reset has announced. */
  parts: Snapshot[] | null;
}

interface WorkflowTrack {
  readonly wishes: Set<Wish>;
  /** Its latest run, if it is known. */
  runId: string | undefined;
  asked: string | null;
  /** It was confirmed once: whatever begins from then on is heard from its first event. */
  known: boolean;
}

/** The table. */
export class Following {
  readonly #asking: Asking;
  readonly #post: (spelled: Spelled) => void;
  readonly #deliver: (event: RunEvent, skipped: number) => void;
  readonly #repeated: () => void;
  readonly #newest: (workflowId: string) => Promise<readonly { runId: string }[]>;
  readonly #senseless: (reason: string) => void;
  readonly #tracks = new Map<string, Track>();
  readonly #workflows = new Map<string, WorkflowTrack>();
  readonly #everything = new Set<Wish>();
  /** Workflow id → the command that ends its subscription, until that is answered. */
  readonly #hushed = new Map<string, string>();
  /** Whether the server was asked on this link to send no runs of which nothing else is said. */
  #tidied = false;

  constructor(
    asking: Asking,
    options: {
      post: (spelled: Spelled) => void;
      /** The newest runs of a workflow, newest first. */
      newest: (workflowId: string) => Promise<readonly { runId: string }[]>;
      /** An event of the client's stream, each once. */
      deliver: (event: RunEvent, skipped: number) => void;
      repeated: () => void;
      /** Neither what is asked for comes, nor a reset. */
      senseless: (reason: string) => void;
    },
  ) {
    this.#asking = asking;
    this.#post = options.post;
    this.#deliver = options.deliver;
    this.#repeated = options.repeated;
    this.#newest = options.newest;
    this.#senseless = options.senseless;
  }

  /** Whether something that happened earlier is still to come. */
  get behind(): boolean {
    for (const track of this.#tracks.values()) {
      if (track.place === "asked") return true;
      if (track.place === "following" && this.#isStrict(track) && this.#lowest(track) < track.head)
        return true;
    }
    return false;
  }

  /** Hear a run for its fold. `starting`: its events come by themselves, because this client starts it. */
  attach(runId: string, hearer: Hearer, options: { starting: boolean }): void {
    const track = this.#track(runId);
    track.hearer = hearer;
    if (options.starting) {
      track.stream.last = 0;
      track.place = "starting";
    } else {
      track.stream.last ??= 0;
      this.#ask(track);
    }
  }

  /** Its fold is closed. */
  detach(runId: string): void {
    const track = this.#tracks.get(runId);
    if (track === undefined) return;
    track.hearer = null;
    this.#review(track);
  }

  /** Hear what somebody wishes. */
  add(wish: Wish): void {
    const seq = wish.after === undefined ? undefined : seqOf(wish.after);
    if (wish.workflowId === "*") {
      this.#everything.add(wish);
      this.#askEverything(wish);
    } else if (wish.runId !== undefined) {
      const track = this.#track(wish.runId);
      const first = track.wishes.size === 0 && track.hearer === null;
      track.wishes.add(wish);
      if (seq !== undefined) track.stream.last = seq;
      this.#ask(track, { snapshot: wish.after === undefined && !first });
    } else if (wish.workflowId !== undefined) {
      let track = this.#workflows.get(wish.workflowId);
      if (track === undefined) {
        track = { wishes: new Set(), runId: undefined, asked: null, known: false };
        this.#workflows.set(wish.workflowId, track);
      }
      track.wishes.add(wish);
      this.#askWorkflow(wish.workflowId, track, wish.after);
    }
  }

  /** Somebody wishes it no more. Idempotent. */
  remove(wish: Wish): void {
    if (this.#everything.delete(wish)) {
      if (this.#everything.size === 0) this.#say("workflow.unsubscribe", "*", {});
      for (const track of [...this.#tracks.values()]) this.#review(track);
    } else if (wish.runId !== undefined) {
      const track = this.#tracks.get(wish.runId);
      if (track?.wishes.delete(wish)) this.#review(track);
    } else if (wish.workflowId !== undefined) {
      const track = this.#workflows.get(wish.workflowId);
      if (!track?.wishes.delete(wish) || track.wishes.size > 0) return;
      this.#workflows.delete(wish.workflowId);
      const run = this.#tracks.get(track.runId ?? "");
      if (run !== undefined) this.#review(run);
      else this.#hush(wish.workflowId);
    }
  }

  /** There is a new link, which knows nothing of the one before. */
  followAll(): void {
    this.#hushed.clear();
    this.#tidied = false;
    for (const wish of this.#everything) this.#askEverything(wish);
    for (const track of this.#tracks.values()) {
      track.asked = track.parts = null;
      if (track.place === "starting" || track.place === "ended") continue;
      if (this.#isNamed(track)) this.#ask(track);
      else track.place = "idle";
    }
    for (const [workflowId, track] of this.#workflows) this.#askWorkflow(workflowId, track, undefined);
  }

  /** An event has come. */
  hearEvent(event: RunEvent): void {
    const workflow = this.#workflows.get(event.workflowId);
    if (workflow !== undefined && event.seq === 1) workflow.runId = event.runId;
    const track = this.#tracks.get(event.runId) ?? this.#welcome(event);
    if (track === null) {
      this.#tidy();
      this.#hush(event.workflowId);
      return;
    }
    track.workflowId = event.workflowId;
    if (track.place === "starting") track.place = "following";
    this.#pass(track, event);
    if (isEnding(event) && track.place !== "asked" && track.parts === null) this.#ended(track);
  }

  /** A message that is no event has come; whether it is known what it is. */
  hear(message: Message): void {
    switch (message.type) {
      case "workflow.subscribe":
        if (replyTo(message) === undefined) this.#toldReset(message.payload);
        else this.#confirmed(replyTo(message) as string, message.workflowId, message.payload);
        break;
      case "workflow.snapshot":
        this.#shown(message.payload);
        break;
      case "workflow.unsubscribe":
        for (const [workflowId, id] of this.#hushed) {
          if (id === replyTo(message)) this.#hushed.delete(workflowId);
        }
        break;
      case "error":
        this.#failed(replyTo(message), message.payload);
        break;
    }
  }

  #pass(track: Track, event: RunEvent): void {
    const strict = (track.place === "following" || track.place === "idle") && this.#isStrict(track);
    const conflated = event.conflated ?? 0;
    const heard = take(track.stream, event.seq, conflated);
    const { hearer } = track;
    const folded = hearer === null ? "repeat" : take({ last: hearer.lastSeq }, event.seq, conflated);
    if (strict && (heard === "gap" || folded === "gap")) {
      this.#askAgain(track);
      return;
    }
    // Before the confirmation a jump will come again; where gaps are normal it is all there is.
    const jumps = track.place !== "asked";
    if (folded === "next" || (folded === "gap" && jumps && !this.#isStrict(track))) {
      hearer?.hear(event, event.seq - 1 - hearer.lastSeq);
    }
    if (heard === "next" || (heard === "gap" && jumps)) {
      const skipped = track.stream.last === null ? 0 : event.seq - 1 - track.stream.last;
      track.stream.last = event.seq;
      this.#deliver(event, heard === "next" ? skipped : 0);
    } else if (heard === "repeat") {
      this.#repeated();
    }
  }

  #confirmed(id: string, workflowId: string, reply: ServerMessages["workflow.subscribe"]["payload"]): void {
    const workflow = this.#workflows.get(workflowId);
    if (workflow?.asked === id) {
      workflow.asked = null;
      if (workflow.known) void this.#lookBack(workflowId, workflow);
      workflow.known = true;
      if (reply.runId !== undefined) {
        workflow.runId = reply.runId;
        const track = this.#track(reply.runId);
        track.workflowId = workflowId;
        track.asked = id;
        track.place = "asked";
        track.stream.last ??= (reply.fromSeq ?? 1) - 1;
      }
    }
    for (const track of this.#tracks.values()) {
      if (track.asked !== id) continue;
      track.asked = null;
      if (reply.runId !== track.runId) {
        const problem = { code: "unknown_workflow", message: `run ${track.runId} is not known to the server` };
        track.place = "idle";
        track.hearer?.fail(problem);
        continue;
      }
      track.hearer?.fail(undefined);
      track.place = "following";
      track.head = reply.lastSeq ?? 0;
      track.workflowId = workflowId || track.workflowId;
      track.stream.last ??= (reply.fromSeq ?? 1) - 1;
      track.parts = reply.reset ? [] : null;
      // Somebody said to know more than there is; the fold did not.
      if (!reply.reset) track.stream.last = Math.min(track.stream.last, track.head);
    }
  }

  /**
   * Runs of a workflow that began while this client was away are heard from their first event, even if they
   * are over.
   */
  async #lookBack(workflowId: string, workflow: WorkflowTrack): Promise<void> {
    const known = workflow.runId;
    const rows = await this.#newest(workflowId).catch(() => []);
    if (this.#workflows.get(workflowId) !== workflow) return;
    const end = rows.findIndex(({ runId }) => runId === known);
    for (const { runId } of rows.slice(0, end === -1 ? rows.length : end).reverse()) {
      if (this.#tracks.has(runId)) continue;
      const track = this.#track(runId);
      track.workflowId = workflowId;
      track.stream.last = 0;
      workflow.runId = runId;
      this.#ask(track);
    }
  }

  /** Told of the server's own accord: the history was trimmed while it was being sent. */
  #toldReset(reply: ServerMessages["workflow.subscribe"]["payload"]): void {
    const track = this.#tracks.get(reply.runId ?? "");
    if (track !== undefined && reply.reset) track.parts = [];
  }

  /** A snapshot that nobody asked for by itself: if a reset has announced it, it is where the run goes on. */
  #shown(part: Snapshot): void {
    const track = this.#tracks.get(part.runId);
    if (track === undefined || track.parts === null) return;
    track.parts.push(part);
    if (part.part !== part.parts) return;
    const snapshot = joined(track.parts);
    track.parts = null;
    track.stream.last = snapshot.lastSeq;
    track.gaps = 0;
    track.hearer?.reset(snapshot);
    if (snapshot.summary !== undefined) this.#ended(track);
  }

  #failed(id: string | undefined, error: { code: string; message: string }): void {
    if (id === undefined) return;
    for (const track of this.#tracks.values()) {
      if (track.asked !== id) continue;
      track.asked = null;
      track.place = "idle";
      track.hearer?.fail({ code: error.code, message: error.message });
    }
  }

  #ask(track: Track, options: { snapshot?: boolean } = {}): void {
    if (track.place === "starting") return;
    const lossless = [...track.wishes].some((wish) => wish.lossless);
    const lowest = track.hearer === null && track.stream.last === null ? undefined : this.#lowest(track);
    const types = this.#isStrict(track)
      ? undefined
      : [...new Set([...track.wishes].flatMap(({ types = [] }) => types))];
    const lost = track.gaps > MAX_GAPS;
    track.place = "asked";
    track.subscribed = true;
    track.parts = null;
    track.asked = this.#say("workflow.subscribe", track.workflowId, {
      runId: track.runId,
      ...(lowest === undefined ? {} : { afterSeq: lost ? BEYOND : lowest }),
      ...(types === undefined ? {} : { types }),
      ...(options.snapshot ? { snapshot: true } : {}),
      ...(lossless ? { lossless } : {}),
    });
  }

  #askWorkflow(workflowId: string, track: WorkflowTrack, after: number | string | undefined): void {
    const wishes = [...track.wishes];
    const lossless = wishes.some((wish) => wish.lossless);
    const types = wishes.some((wish) => wish.types === undefined)
      ? undefined
      : [...new Set(wishes.flatMap((wish) => wish.types ?? []))];
    if (typeof after === "string") {
      // The position names the run: what follows it is the next of it.
      const named = this.#track(after.slice(0, after.lastIndexOf(":")));
      named.workflowId = workflowId;
      named.stream.last = seqOf(after);
      track.runId = named.runId;
    }
    const run = this.#tracks.get(track.runId ?? "");
    if (after === 0 && run !== undefined) run.stream.last = 0;
    const position =
      run !== undefined && run.stream.last !== null
        ? { after: `${run.runId}:${Math.min(run.stream.last, run.hearer?.lastSeq ?? Infinity)}` }
        : after === 0 || track.known
          ? { afterSeq: 0 }
          : {};
    track.asked = this.#say("workflow.subscribe", workflowId, {
      ...position,
      ...(types === undefined ? {} : { types }),
      ...(lossless ? { lossless } : {}),
    });
    if (run !== undefined && run.place !== "ended") {
      run.asked = track.asked;
      run.place = "asked";
    }
  }

  #askEverything(wish: Wish): void {
    const { types, lossless } = wish;
    this.#say("workflow.subscribe", "*", {
      ...(types === undefined ? {} : { types: [...types] }),
      ...(lossless ? { lossless } : {}),
    });
  }

  /** The next event is missing, though nothing was to be left out. */
  #askAgain(track: Track): void {
    const lowest = this.#lowest(track);
    track.gaps = track.gapAt === lowest ? track.gaps + 1 : 1;
    track.gapAt = lowest;
    if (track.gaps <= MAX_GAPS + 1) {
      this.#ask(track);
      return;
    }
    track.gaps = 0;
    this.#senseless(`the server leaves out what follows seq ${lowest} of run ${track.runId}`);
  }

  #lowest(track: Track): number {
    const last = track.stream.last ?? Infinity;
    const lowest = Math.min(last, track.hearer?.lastSeq ?? last);
    return lowest === Infinity ? 0 : lowest;
  }

  /** A run that nobody named: heard because of its workflow, or because everything is. */
  #welcome(event: RunEvent): Track | null {
    if (this.#everything.size === 0 && !this.#workflows.has(event.workflowId)) return null;
    const track = this.#track(event.runId);
    track.stream.last = event.seq === 1 ? 0 : null;
    track.place = event.seq === 1 ? "following" : "idle";
    this.#trim();
    return track;
  }

  #track(runId: string): Track {
    let track = this.#tracks.get(runId);
    if (track === undefined) {
      track = {
        runId,
        workflowId: "",
        stream: { last: null },
        hearer: null,
        wishes: new Set(),
        asked: null,
        subscribed: false,
        place: "idle",
        head: 0,
        gapAt: -1,
        gaps: 0,
        parts: null,
      };
      this.#tracks.set(runId, track);
    }
    return track;
  }

  #ended(track: Track): void {
    track.place = "ended";
    // To the end of the map: the oldest go first.
    this.#tracks.delete(track.runId);
    this.#tracks.set(track.runId, track);
    this.#trim();
  }

  /** The oldest that nobody named are forgotten, those that are over before all others. */
  #trim(): void {
    for (const over of [true, false]) {
      for (const old of this.#tracks.values()) {
        if (this.#tracks.size <= KEPT) return;
        const latest = this.#workflows.get(old.workflowId)?.runId === old.runId;
        if (latest || this.#isNamed(old)) continue;
        if (old.place === "ended" || !over) this.#tracks.delete(old.runId);
      }
    }
  }

  /** Whether somebody wants this very run. */
  #isNamed(track: Track): boolean {
    return track.hearer !== null || track.wishes.size > 0;
  }

  /** Whether all of the run is wanted, so that every seq comes, or is said to be left out. */
  #isStrict(track: Track): boolean {
    if (track.hearer !== null) return true;
    const wishes = [
      ...track.wishes,
      ...(this.#workflows.get(track.workflowId)?.wishes ?? []),
      ...this.#everything,
    ];
    return wishes.some((wish) => wish.types === undefined);
  }

  /** Somebody does not want a run any more. */
  #review(track: Track): void {
    if (this.#isNamed(track) || this.#everything.size > 0 || this.#workflows.has(track.workflowId)) return;
    this.#tracks.delete(track.runId);
    if (track.place !== "ended" || track.subscribed) this.#hush(track.workflowId);
  }

  /** What was closed while away, or by an earlier client of this session, the server may still send. */
  #tidy(): void {
    if (this.#tidied) return;
    this.#tidied = true;
    this.#say("workflow.unsubscribe", "*", {});
  }

  /**
   * Ask to hear no more of a workflow, unless something of it is wanted, or may be: subscriptions are the
   * workflow's. What is not said now is said when something unwanted comes.
   */
  #hush(workflowId: string): void {
    if (workflowId === "" || this.#everything.size > 0 || this.#workflows.has(workflowId)) return;
    for (const track of this.#tracks.values()) {
      if (track.workflowId === workflowId && track.place !== "ended") return;
      if (track.workflowId === "" && (track.place === "starting" || track.place === "asked")) return;
    }
    if (this.#hushed.has(workflowId)) return;
    this.#hushed.set(workflowId, this.#say("workflow.unsubscribe", workflowId, {}));
  }

  #say(type: "workflow.subscribe" | "workflow.unsubscribe", workflowId: string, payload: object): string {
    const spelled = this.#asking.number(type, workflowId, payload);
    this.#post(spelled);
    return spelled.id;
  }
}

/** The seq that a position says. */
function seqOf(after: number | string): number {
  const seq = typeof after === "number" ? after : Number(after.slice(after.lastIndexOf(":") + 1));
  if (!Number.isSafeInteger(seq) || seq < 0)
    throw new TypeError(`${after} is neither a seq nor the id of an event`);
  return seq;
}

/** What an event is for a cursor. */
function take({ last }: Cursor, seq: number, conflated: number): Taken {
  if (last === null) return "next";
  if (seq <= last) return "repeat";
  return seq - 1 - conflated > last ? "gap" : "next";
}
