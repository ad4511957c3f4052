"""The privacy-preserving views of the specification: what is reduced before it leaves the service at all."""

from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, SumAggregation, View

CONTENT_SIZE_BOUNDARIES = (1024.0, 10240.0, 102400.0, 1048576.0)
DISCOVERY_BOUNDARIES = (10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0)
PING_BOUNDARIES = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0)


def privacy_views() -> list[View]:
    """Peers counted by region only, and sizes and latencies bucketed so that none can be recognised."""
    return [
        View(
            instrument_name="p2p.peer.connection",
            attribute_keys={"region"},
            aggregation=SumAggregation(),
        ),
        View(
            instrument_name="content.size",
            aggregation=ExplicitBucketHistogramAggregation(CONTENT_SIZE_BOUNDARIES),
        ),
        View(
            instrument_name="p2p.discovery.latency",
            aggregation=ExplicitBucketHistogramAggregation(DISCOVERY_BOUNDARIES),
        ),
        View(
            instrument_name="p2p.ping.latency",
            aggregation=ExplicitBucketHistogramAggregation(PING_BOUNDARIES),
        ),
    ]
