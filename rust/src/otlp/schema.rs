//! The messages of OTLP as far as they are read: which JSON name is which field of which type.

/// How a field looks in JSON and on the wire.
pub enum Type {
    Text,
    Base64,
    /// A trace or span id: hexadecimal in JSON, unlike all other bytes.
    Id,
    Bool,
    Varint,
    SignedVarint,
    Sint32,
    Fixed64,
    SignedFixed64,
    Double,
    /// A number, or one of these names with this prefix; the names stand at their numbers.
    Enum(&'static str, &'static [&'static str]),
    Message(&'static Message),
    List(&'static Type),
}

pub struct Field {
    pub name: &'static str,
    pub number: u32,
    pub kind: Type,
}

/// A message; what it does not list is skipped, as are exemplars, events and links.
pub struct Message(pub &'static [Field]);

const fn field(name: &'static str, number: u32, kind: Type) -> Field {
    Field { name, number, kind }
}

const TEMPORALITY: Type = Type::Enum("AGGREGATION_TEMPORALITY_", &["UNSPECIFIED", "DELTA", "CUMULATIVE"]);
const KINDS: &[&str] = &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const SEVERITIES: &[&str] = &[
    "UNSPECIFIED",
    "TRACE",
    "TRACE2",
    "TRACE3",
    "TRACE4",
    "DEBUG",
    "DEBUG2",
    "DEBUG3",
    "DEBUG4",
    "INFO",
    "INFO2",
    "INFO3",
    "INFO4",
    "WARN",
    "WARN2",
    "WARN3",
    "WARN4",
    "ERROR",
    "ERROR2",
    "ERROR3",
    "ERROR4",
    "FATAL",
    "FATAL2",
    "FATAL3",
    "FATAL4",
];

static ANY_VALUE: Message = Message(&[
    field("stringValue", 1, Type::Text),
    field("boolValue", 2, Type::Bool),
    field("intValue", 3, Type::SignedVarint),
    field("doubleValue", 4, Type::Double),
    field("arrayValue", 5, Type::Message(&ARRAY)),
    field("kvlistValue", 6, Type::Message(&MAP)),
    field("bytesValue", 7, Type::Base64),
]);
static ARRAY: Message = Message(&[field("values", 1, Type::List(&Type::Message(&ANY_VALUE)))]);
static MAP: Message = Message(&[field("values", 1, Type::List(&ATTRIBUTE))]);
static KEY_VALUE: Message =
    Message(&[field("key", 1, Type::Text), field("value", 2, Type::Message(&ANY_VALUE))]);
static ATTRIBUTE: Type = Type::Message(&KEY_VALUE);

static RESOURCE: Message = Message(&[field("attributes", 1, Type::List(&ATTRIBUTE))]);
static SCOPE: Message = Message(&[
    field("name", 1, Type::Text),
    field("version", 2, Type::Text),
    field("attributes", 3, Type::List(&ATTRIBUTE)),
]);

pub static METRICS: Message =
    Message(&[field("resourceMetrics", 1, Type::List(&Type::Message(&RESOURCE_METRICS)))]);
static RESOURCE_METRICS: Message = Message(&[
    field("resource", 1, Type::Message(&RESOURCE)),
    field("scopeMetrics", 2, Type::List(&Type::Message(&SCOPE_METRICS))),
    field("schemaUrl", 3, Type::Text),
]);
static SCOPE_METRICS: Message = Message(&[
    field("scope", 1, Type::Message(&SCOPE)),
    field("metrics", 2, Type::List(&Type::Message(&METRIC))),
    field("schemaUrl", 3, Type::Text),
]);
static METRIC: Message = Message(&[
    field("name", 1, Type::Text),
    field("description", 2, Type::Text),
    field("unit", 3, Type::Text),
    field("gauge", 5, Type::Message(&GAUGE)),
    field("sum", 7, Type::Message(&SUM)),
    field("histogram", 9, Type::Message(&HISTOGRAM)),
    field("exponentialHistogram", 10, Type::Message(&EXPONENTIAL)),
    field("summary", 11, Type::Message(&SUMMARY)),
]);
static GAUGE: Message = Message(&[field("dataPoints", 1, Type::List(&Type::Message(&NUMBER_POINT)))]);
static SUM: Message = Message(&[
    field("dataPoints", 1, Type::List(&Type::Message(&NUMBER_POINT))),
    field("aggregationTemporality", 2, TEMPORALITY),
    field("isMonotonic", 3, Type::Bool),
]);
static HISTOGRAM: Message = Message(&[
    field("dataPoints", 1, Type::List(&Type::Message(&HISTOGRAM_POINT))),
    field("aggregationTemporality", 2, TEMPORALITY),
]);
static EXPONENTIAL: Message = Message(&[
    field("dataPoints", 1, Type::List(&Type::Message(&EXPONENTIAL_POINT))),
    field("aggregationTemporality", 2, TEMPORALITY),
]);
static SUMMARY: Message = Message(&[field("dataPoints", 1, Type::List(&Type::Message(&SUMMARY_POINT)))]);
static NUMBER_POINT: Message = Message(&[
    field("attributes", 7, Type::List(&ATTRIBUTE)),
    field("startTimeUnixNano", 2, Type::Fixed64),
    field("timeUnixNano", 3, Type::Fixed64),
    field("asDouble", 4, Type::Double),
    field("asInt", 6, Type::SignedFixed64),
    field("flags", 8, Type::Varint),
]);
static HISTOGRAM_POINT: Message = Message(&[
    field("attributes", 9, Type::List(&ATTRIBUTE)),
    field("startTimeUnixNano", 2, Type::Fixed64),
    field("timeUnixNano", 3, Type::Fixed64),
    field("count", 4, Type::Fixed64),
    field("sum", 5, Type::Double),
    field("bucketCounts", 6, Type::List(&Type::Fixed64)),
    field("explicitBounds", 7, Type::List(&Type::Double)),
    field("flags", 10, Type::Varint),
    field("min", 11, Type::Double),
    field("max", 12, Type::Double),
]);
static EXPONENTIAL_POINT: Message = Message(&[
    field("attributes", 1, Type::List(&ATTRIBUTE)),
    field("startTimeUnixNano", 2, Type::Fixed64),
    field("timeUnixNano", 3, Type::Fixed64),
    field("count", 4, Type::Fixed64),
    field("sum", 5, Type::Double),
    field("scale", 6, Type::Sint32),
    field("zeroCount", 7, Type::Fixed64),
    field("positive", 8, Type::Message(&BUCKETS)),
    field("negative", 9, Type::Message(&BUCKETS)),
    field("flags", 10, Type::Varint),
    field("min", 12, Type::Double),
    field("max", 13, Type::Double),
    field("zeroThreshold", 14, Type::Double),
]);
static BUCKETS: Message =
    Message(&[field("offset", 1, Type::Sint32), field("bucketCounts", 2, Type::List(&Type::Varint))]);
static SUMMARY_POINT: Message = Message(&[
    field("attributes", 7, Type::List(&ATTRIBUTE)),
    field("startTimeUnixNano", 2, Type::Fixed64),
    field("timeUnixNano", 3, Type::Fixed64),
    field("count", 4, Type::Fixed64),
    field("sum", 5, Type::Double),
    field("flags", 8, Type::Varint),
]);

pub static TRACES: Message =
    Message(&[field("resourceSpans", 1, Type::List(&Type::Message(&RESOURCE_SPANS)))]);
static RESOURCE_SPANS: Message = Message(&[
    field("resource", 1, Type::Message(&RESOURCE)),
    field("scopeSpans", 2, Type::List(&Type::Message(&SCOPE_SPANS))),
]);
static SCOPE_SPANS: Message = Message(&[field("spans", 2, Type::List(&Type::Message(&SPAN)))]);
static SPAN: Message = Message(&[
    field("traceId", 1, Type::Id),
    field("spanId", 2, Type::Id),
    field("parentSpanId", 4, Type::Id),
    field("kind", 6, Type::Enum("SPAN_KIND_", KINDS)),
    field("startTimeUnixNano", 7, Type::Fixed64),
    field("endTimeUnixNano", 8, Type::Fixed64),
    field("attributes", 9, Type::List(&ATTRIBUTE)),
    field("status", 15, Type::Message(&STATUS)),
]);
static STATUS: Message = Message(&[field("code", 3, Type::Enum("STATUS_CODE_", &["UNSET", "OK", "ERROR"]))]);

pub static LOGS: Message = Message(&[field("resourceLogs", 1, Type::List(&Type::Message(&RESOURCE_LOGS)))]);
static RESOURCE_LOGS: Message = Message(&[
    field("resource", 1, Type::Message(&RESOURCE)),
    field("scopeLogs", 2, Type::List(&Type::Message(&SCOPE_LOGS))),
]);
static SCOPE_LOGS: Message = Message(&[field("logRecords", 2, Type::List(&Type::Message(&LOG_RECORD)))]);
/// Of a body only text counts.
static BODY: Message = Message(&[field("stringValue", 1, Type::Text)]);
static LOG_RECORD: Message = Message(&[
    field("timeUnixNano", 1, Type::Fixed64),
    field("severityNumber", 2, Type::Enum("SEVERITY_NUMBER_", SEVERITIES)),
    field("body", 5, Type::Message(&BODY)),
    field("attributes", 6, Type::List(&ATTRIBUTE)),
    field("traceId", 9, Type::Id),
    field("spanId", 10, Type::Id),
    field("observedTimeUnixNano", 11, Type::Fixed64),
    field("eventName", 12, Type::Text),
]);
