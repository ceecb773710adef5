"""The runs that a client follows, and the subscriptions that this takes.

Theory of operation: `Following` is a table without a task. A run is in it while its user could take what comes: not
when its feed is full (but while somebody waits for its ending), and not after its ending. Each is subscribed by its own
id, behind the newest event that its user will get, when it enters the table and on each new link; of a workflow whose
run is not known yet, the latest one from its beginning, or the next. Events go to whoever follows their run, and those
of a run that nobody follows are dropped; if nothing of their workflow is followed – subscriptions are the workflow's –
the server is asked to send no more of it.

Several may follow one run, each from a place of its own. The server knows one position per connection and run, the
newest asked for: for some of them what comes was here before, for others something is missing, and is asked for again.
"""

from collections.abc import Callable, Sequence

from actors.asking import Asking, refusal_of
from actors.feed import Place
from actors.remote import RemoteRun
from protocol.messages import (
    Command,
    ErrorReply,
    Event,
    Progress,
    Reply,
    RunStarted,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)

__all__ = ["Following"]


class Following:
    """The table.

    Args:
        asking: numbers and spells the commands.
        post: sends a text if there is a link.
    """

    def __init__(self, asking: Asking, *, post: Callable[[bytes], None]) -> None:
        self._asking = asking
        self._post = post
        self._runs: dict[str, list[RemoteRun]] = {}
        """By run id."""
        self._unknown: dict[str, list[RemoteRun]] = {}
        """By workflow id: who follows its latest or next run, and does not know yet which that is."""
        self._asked: dict[str, RemoteRun] = {}
        """Id of a subscription without an answer → for whom it is. Only the newest of each."""
        self._hushed: dict[str, str] = {}
        """Workflow id → the command that ends its subscription, until that is answered."""

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> Sequence[RemoteRun]:
        """Every run that is followed."""
        return [run for table in (self._runs, self._unknown) for runs in table.values() for run in runs]

    @property
    def behind(self) -> bool:
        """Whether something that happened earlier is still to come."""
        return any(run.feed.behind for run in self.all())

    def expect(self, run: RemoteRun) -> None:
        """A run is about to be started: its events come by themselves."""
        run.feed.place = Place.STARTING
        self._add(run)

    def follow(self, run: RemoteRun) -> None:
        """Ask for what follows the newest event of a run."""
        self._add(run)
        run.feed.place = Place.ASKED
        self._asked = {id_: asked for id_, asked in self._asked.items() if asked is not run}
        if run.id is None:
            subscribe = Subscribe(workflow_id=run.workflow_id, after_seq=0, lossless=True)
        else:
            subscribe = Subscribe(run_id=run.id, after_seq=run.feed.last, lossless=True)
        self._asked[self._say(subscribe)] = run

    def leave(self, run: RemoteRun) -> None:
        """Follow it no more. Idempotent."""
        table, key = self._place(run)
        if run in table.get(key, ()):
            table[key].remove(run)
            if not table[key]:
                del table[key]

    def follow_all(self) -> None:
        """There is a new link, which knows nothing of the one before."""
        self._asked.clear()
        self._hushed.clear()
        for run in self.all():
            if run.feed.place is not Place.STARTING:
                self.follow(run)

    def hear_event(self, event: Event) -> Sequence[RemoteRun]:
        """An event has come; who follows its run."""
        if isinstance(event, RunStarted):
            # Whoever waits for the next run of a workflow knows that there was none before.
            for run in [run for run in self._unknown.get(event.workflow_id, ()) if run.feed.place is Place.FOLLOWING]:
                self._know(run, event.run_id)
        runs = list(self._runs.get(event.run_id, ()))
        if not runs:
            self._hush(event.workflow_id)
        for run in runs:
            run.hear(event)
            if run.feed.place is Place.STARTING:
                # The server may leave things out for a starter who is slow; asked for like this it may not.
                self.follow(run)
        return runs

    def hear_progress(self, progress: Progress) -> None:
        """Progress has come."""
        for run in self._runs.get(progress.run_id, ()):
            run.progress = progress

    def hear(self, reply: Reply) -> bool:
        """A reply has come that is no answer to a command of the user; whether it is known what it is."""
        match reply:
            case Subscribed(reply_to=None) | Snapshot():
                # Told of the server's own accord: the history was trimmed while it was being sent.
                for run in list(self._runs.get(reply.run_id or "", ())):
                    run.show(reply) if isinstance(reply, Snapshot) else run.confirmed(reply)
            case Subscribed():
                self._confirm(reply)
            case Unsubscribed():
                self._hushed = {workflow: id_ for workflow, id_ in self._hushed.items() if id_ != reply.reply_to}
            case ErrorReply(reply_to=None):
                return False
            case ErrorReply():
                failed = self._asked.pop(reply.reply_to or "", None)
                if failed is not None:
                    failed.fail(refusal_of(reply.code, reply.message))
        return True

    def _confirm(self, reply: Subscribed) -> None:
        run = self._asked.pop(reply.reply_to or "", None)
        if run is not None:
            if run.id is None and reply.run_id is not None:
                self._know(run, reply.run_id)
            run.confirmed(reply)

    def _know(self, run: RemoteRun, run_id: str) -> None:
        """The run of a workflow that was waited for is this one."""
        self.leave(run)
        run.id = run_id
        self._add(run)

    def _hush(self, workflow_id: str) -> None:
        """Ask to hear no more of a workflow, unless something of it is followed."""
        followed = any(run.workflow_id == workflow_id for run in self.all())
        if not followed and workflow_id not in self._hushed:
            self._hushed[workflow_id] = self._say(Unsubscribe(workflow_id=workflow_id))

    def _say(self, command: Command) -> str:
        """Send a command that is no user's; its id."""
        command = self._asking.numbered(command)
        self._post(self._asking.spell(command))
        return command.id

    def _add(self, run: RemoteRun) -> None:
        table, key = self._place(run)
        if run not in table.setdefault(key, []):
            table[key].append(run)

    def _place(self, run: RemoteRun) -> tuple[dict[str, list[RemoteRun]], str]:
        """Where it stands while it is followed."""
        return (self._unknown, run.workflow_id) if run.id is None else (self._runs, run.id)
