"""What the server does, as Prometheus metrics, read from the statistics of its parts when it is asked.

Theory of operation: nothing is counted here and nothing is kept between two questions, so there is no registry to leak
into and no cost while nobody asks.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.runtime import Runtime
from actors.sessions import Sessions

__all__ = ["ServerCollector"]


class ServerCollector(Collector):
    """One look at a server."""

    def __init__(self, runtime: Runtime, sessions: Sessions) -> None:
        self._runtime = runtime
        self._sessions = sessions

    def collect(self) -> Iterator[Metric]:
        """The figures of now."""
        runtime = self._runtime
        info = GaugeMetricFamily("callboard_info", "The version that runs, as a label.", labels=["version"])
        info.add_metric([runtime.version], 1)
        yield info
        yield GaugeMetricFamily(
            "callboard_start_time_seconds", "When the runtime was opened.", value=runtime.started_at
        )
        by_status = GaugeMetricFamily("callboard_runs", "Unfinished runs.", labels=["status"])
        counts: dict[str, int] = {}
        for run in runtime.unfinished():
            counts[run.status] = counts.get(run.status, 0) + 1
        for status, count in sorted(counts.items()):
            by_status.add_metric([status], count)
        yield by_status
        rows = [member.statistics() for member in self._sessions]
        yield GaugeMetricFamily("callboard_connections", "Open WebSocket connections.", value=len(rows))
        yield GaugeMetricFamily(
            "callboard_detached_sessions", "Sessions that wait for their peer.", value=self._sessions.detached
        )
        yield GaugeMetricFamily(
            "callboard_outbox_bytes", "Bytes that wait for peers.", value=sum(row.queued for row in rows)
        )
        hub = runtime.hub.statistics()
        for name, text, value in (
            ("published_events", "Events that were committed and published.", hub.published),
            ("pushes", "Windows of events that were pushed to a peer.", hub.pushes),
            ("refused_pushes", "Pushes that found a peer's outbox full.", hub.refused),
            ("conflated_events", "Events that slow peers were spared.", hub.conflated),
        ):
            counter = CounterMetricFamily(f"callboard_{name}", text)
            counter.add_metric([], value)
            yield counter
        yield GaugeMetricFamily("callboard_lagging", "Subscriptions that have not got everything.", value=hub.lagging)
        sent = CounterMetricFamily("callboard_sent_bytes", "Bytes sent on the connections that are open now.")
        sent.add_metric([], sum(row.sent for row in rows))
        yield sent
