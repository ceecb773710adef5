"""Every setting of callboard: one attrs class, its defaults, units and meaning.

(fields written first; loading from `callboard.toml`, the environment and flags is to be filled)
"""

import attrs

__all__ = ["Settings"]


@attrs.frozen(kw_only=True)
class Settings:
    """Times in seconds, sizes in bytes."""

    # Where to listen
    host: str = "127.0.0.1"
    """Address to listen on; the default also listens on ::1 where there is one."""
    port: tuple[int, ...] = (8765,)
    """Ports; 0 lets the system choose one."""
    # Who may connect
    token: str | None = attrs.field(default=None, repr=False)
    """Every request must carry it. Never logged."""
    origin: tuple[str, ...] = ()
    """Origins allowed besides the server's own and localhost; `null` for file pages."""
    allow_host: tuple[str, ...] = ()
    """Host names allowed besides the server's own address and localhost."""
    insecure: bool = False
    """Allow a non-loopback host without a token."""
    # Where things are kept
    journal: str = "memory:"
    """The journal's URL."""
    artifacts: str | None = None
    """Folder of the runs' artifacts; default: a temporary one, removed at the end."""
    history_runs: int | None = 1000
    """Ended runs kept; None: all."""
    history_days: float | None = None
    """Days that ended runs are kept; None: for ever."""
    # Limits
    max_connections: int = 10_000
    max_message: int = 16 * 2**20
    max_nodes: int = 20_000
    max_edges: int = 100_000
    max_depth: int = 64
    max_runs: int = 1_000
    """Unfinished runs at a time."""
    max_concurrency: int = 1_000
    """Nodes of one run at a time."""
    max_result: int = 8 * 2**20
    """Of one node, as JSON."""
    rate_messages: int = 1_000
    """Messages a peer may send in a burst."""
    rate_refill: float = 200.0
    """Messages a second that refill the burst."""
    rate_patience: float = 5.0
    """How long the bucket may be empty before the connection is closed with 4429."""
    outbox: int = 256 * 2**10
    """What may wait for one slow peer before it is conflated."""
    # Deadlines
    head_timeout: float = 10.0
    """For the head of a request, and for the handshake."""
    ping_interval: float = 25.0
    ping_timeout: float = 10.0
    heartbeat: float = 30.0
    """Between two heartbeats of the flat dialect."""
    stall_timeout: float = 30.0
    """Without one byte accepted by a peer that lags: close 4008."""
    close_timeout: float = 2.0
    """For the closing handshake."""
    stop_grace: float = 5.0
    """What atomic and cleanup sections have after a stop."""
    atomic_limit: float = 10.0
    """After this a pause that waits for an atomic section warns."""
    shutdown_grace: float = 30.0
    """For everything, after SIGTERM."""
    # The watchdog
    step_warn: float = 1.0
    """A step that does not yield for so long is named."""
    step_limit: float = 5.0
    """After this NodeStuck is raised in it, where possible; 0: never."""
