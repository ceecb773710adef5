/**
 * The state of something folded from steps, at any step, without folding all of them again.
 *
 * Theory of operation: a folding takes steps one by one and gives its state, a value, when it is asked. One of them is at
 * the head and takes each step once, when it is added; every `stride` steps its state is kept. Another one is where
 * somebody looks. It goes on from there if the way is short, else from the nearest state that is kept: so to play costs
 * one step at a time, and to jump at most `stride`.
 */

/** Takes steps, one after another. */
export interface Folding<State, Step> {
  apply(step: Step): void;
  /** The state behind the steps that were taken. Never changed later. */
  readonly current: State;
}

/** Every state of a fold, each at the cost of at most `stride` steps. */
export class Checkpoints<State, Step> {
  readonly #begin: (from?: State) => Folding<State, Step>;
  readonly #stride: number;
  readonly #steps: Step[] = [];
  readonly #kept: State[] = [];
  readonly #head: Folding<State, Step>;
  #look: { count: number; readonly folding: Folding<State, Step> };

  /**
   * @param begin a folding that goes on from a state, or from before the first step.
   * @param stride steps between two states that are kept.
   */
  constructor(begin: (from?: State) => Folding<State, Step>, stride: number) {
    this.#begin = begin;
    this.#stride = stride;
    this.#head = begin();
    this.#look = { count: 0, folding: begin() };
  }

  /** How many steps there are. */
  get length(): number {
    return this.#steps.length;
  }

  /** The step at an index. */
  step(index: number): Step | undefined {
    return this.#steps[index];
  }

  /** Add the steps that follow. */
  add(steps: Iterable<Step>): void {
    for (const step of steps) {
      this.#steps.push(step);
      this.#head.apply(step);
      if (this.#steps.length % this.#stride === 0) this.#kept.push(this.#head.current);
    }
  }

  /** The state behind the first `count` steps. */
  after(count: number): State {
    const to = Math.max(0, Math.min(count, this.#steps.length));
    const stones = Math.min(Math.floor(to / this.#stride), this.#kept.length);
    const nearest = stones * this.#stride;
    if (this.#look.count > to || this.#look.count < nearest) {
      this.#look = { count: nearest, folding: this.#begin(this.#kept[stones - 1]) };
    }
    const { folding } = this.#look;
    for (; this.#look.count < to; this.#look.count++) folding.apply(this.#steps[this.#look.count]!);
    return folding.current;
  }
}
