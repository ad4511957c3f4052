-- When a metric was last asked for: what nobody asks for need not be collected.
CREATE TABLE asked (
    metric VARCHAR PRIMARY KEY,
    last_asked TIMESTAMP NOT NULL
);
