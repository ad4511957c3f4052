import msgspec
import pytest
from tests.query.query_fakes import NOW, Desk
from tests.store.store_fakes import SECOND, Histogram, Point, batch, series

from blackhole.errors import ForbiddenError, QueryError
from blackhole.model.series import MetricType
from blackhole.query.language import SqlAnswer

FORBIDDEN = [
    "INSERT INTO points VALUES (1, 1, '2024-01-01', 1, NULL, '2024-01-01')",
    "DELETE FROM points",
    "DROP TABLE points",
    "CREATE TABLE a (x INTEGER)",
    "COPY points TO '/tmp/stolen.csv'",
    "ATTACH '/tmp/other.duckdb'",
    "SET memory_limit = '10GB'",
    "PRAGMA version",
    "CALL pragma_version()",
    "INSTALL httpfs",
    "CHECKPOINT",
    "EXPORT DATABASE '/tmp/x'",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE points",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'https://example.org/a.parquet'",
    "SELECT * FROM streams",
    "SELECT * FROM main.streams",
    "SELECT * FROM schema_version",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM pragma_storage_info('points')",
    "SELECT * FROM query('SELECT * FROM streams')",
    "SELECT * FROM query_table('streams')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('temp_directory')",
    "SELECT getvariable('x')",
    "SELECT repeat('x', 2000000000)",
    "SELECT lpad('x', 2000000000, 'y')",
    "SELECT range(1000000000)",
    "SELECT replace('aaaa', 'a', 'aaaaaaaa')",
    "SELECT printf('%1000000000d', 1)",
    "SELECT sum(length(repeat('x', 10))) OVER () FROM metrics",
    "SELECT * FROM metrics WHERE metric_name IN (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT CASE WHEN true THEN (SELECT count(*) FROM streams) END",
    "SELECT list_transform([1], lambda x: getenv('HOME'))",
    "SELECT 1 FROM metrics ORDER BY getenv('HOME')",
    "SELECT 1 FROM metrics LIMIT (SELECT count(*) FROM streams)",
    "SELECT * FROM metrics JOIN streams ON true",
    "SELECT * FROM metrics, LATERAL (SELECT * FROM streams)",
    "VALUES ((SELECT count(*) FROM streams))",
    "WITH streams AS (SELECT 1) SELECT * FROM streams",
    "WITH a AS (SELECT * FROM streams) SELECT * FROM a",
    "SELECT * FROM (WITH \"/etc/passwd\" AS (SELECT 1) SELECT 1), '/etc/passwd'",
    "WITH RECURSIVE a AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM a) SELECT * FROM a",
    "SELECT * FROM metrics UNION ALL SELECT * FROM (SELECT * FROM streams)",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SUMMARIZE points",
    "SELECT $1",
    "SELECT " + " || ".join(["'x'"] * 12),
    "SELECT system.main.getenv('HOME')",
    "SELECT " + "hex(" * 9 + "'a'" + ")" * 9,
    "SELECT hex(hex(hex(hex(string_agg(range::VARCHAR, ''))))) FROM range(100000)",
    "SELECT " + "[" * 9 + "1" + "]" * 9,
    "SELECT [l, l, l, l, l, l] FROM (SELECT list(range) AS l FROM range(300000))",
    "SELECT concat(l, l, l, l, l, l) FROM (SELECT string_agg('x', '') AS l FROM range(300000))",
    "SELECT {'a': l, 'b': l, 'c': l, 'd': l, 'e': l} FROM (SELECT list(range) AS l FROM range(300000))",
    "SELECT levenshtein(string_agg('a', ''), string_agg('b', '')) FROM range(300000)",
    # Each row of a join, of unnest, and each item of a lambda would have a copy of the whole list.
    "SELECT sum(len(l[a.range:])) FROM (SELECT list(range) AS l FROM range(100000)), range(2048) AS a",
    "SELECT sum(len(l[x:])) FROM (SELECT list(range) AS l, unnest(list(range)) AS x FROM range(100000))",
    "SELECT sum(len(l[x:])) FROM (SELECT l, unnest(l) AS x FROM (SELECT list(range) AS l FROM range(9999)))",
    "SELECT len(list_transform(l, lambda x: l)) FROM (SELECT list(range) AS l FROM range(100000))",
    "SELECT list_transform([l], lambda y: list_transform(y, lambda x: y)) FROM (SELECT list(1) AS l)",
    "SELECT (SELECT list(range) FROM range(100000)) || [range] FROM range(2048)",
    "SELECT list(range) OVER () FROM range(100000)",
    "WITH a AS (SELECT list(range) AS l FROM range(9)), b AS (FROM a) SELECT len(l || 1) FROM b, range(9)",
    "SELECT sum(len(k.buckets[r.range:])) FROM histogram_chunks AS k, range(2048) AS r",
    "SELECT list_transform(steps, lambda x: steps) FROM chunks",
    "EXPLAIN SELECT 1",
    "SELECT * FROM (SUMMARIZE streams)",
    "SELECT * FROM (DESCRIBE streams)",
    "SELECT * FROM (PIVOT streams ON series IN (1, 2) USING count(*))",
    "SELECT * FROM (UNPIVOT streams ON series)",
    "TABLE streams",
    "SELECT * FROM temp.points",
    "SELECT * FROM a.main.streams",
    "WITH x AS (DELETE FROM points RETURNING *) SELECT * FROM x",
    "SELECT 'HOME'.getenv()",
    "SELECT \uff27\uff25\uff34\uff25\uff2e\uff36('HOME')",
    "SELECT/**/getenv('HOME')",
    "SELECT [getenv(x) FOR x IN ['HOME']]",
    "SELECT * EXCLUDE (series) REPLACE (getenv('HOME') AS value) FROM points",
    "SELECT sum(value) OVER w FROM points WINDOW w AS (ORDER BY getenv('A'))",
    "SELECT 1 QUALIFY getenv('A') = ''",
    "SELECT DISTINCT ON (getenv('A')) 1",
    "SELECT ARRAY(SELECT key FROM streams)",
    "EXECUTE insert_incoming_points(1)",
    "SELECT * FROM repeat(1, 10000000000)",
    "SELECT * FROM repeat_row(1, num_rows = 1000000000)",
    "SELECT * FROM range((SELECT count(*) FROM streams))",
    "SELECT * FROM 's3://a/b'",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM checkpoint()",
    "FROM generate_series(1, 3) JOIN read_csv('/etc/passwd') ON true",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_anything_but_a_read_of_the_known_tables_is_forbidden(asked: Desk, sql: str) -> None:
    with pytest.raises(ForbiddenError) as refused:
        asked.runner.sql(sql)
    assert "\n" not in str(refused.value)


ALLOWED = [
    ("SELECT count(*) FROM metrics", [[3]]),
    (
        "FROM metrics SELECT metric_name, sum(value) GROUP BY ALL ORDER BY 1;",
        [["a.h", 2.5], ["process.cpu.usage", 3.0]],
    ),
    ("SELECT attributes->>'service.name' FROM metrics WHERE value = 1 -- node", [["node"]]),
    ("WITH a AS (SELECT value FROM metrics), b AS (SELECT * FROM a) SELECT max(b.value) FROM b", [[2.5]]),
    (
        "SELECT time_bucket(INTERVAL 1 HOUR, timestamp), avg(value) FROM metrics GROUP BY ALL",
        [["2025-06-15T15:00:00Z", pytest.approx(5.5 / 3)]],
    ),
    ("SELECT count(*) FROM metrics WHERE timestamp > TIMESTAMP '2025-06-15 15:00:00'", [[3]]),
    ("SELECT series, row_number() OVER (ORDER BY value) FROM main.points", [[1, 1], [1, 2]]),
    ("SELECT metric FROM series s WHERE EXISTS (FROM histogram_points h WHERE h.series = s.id)", [["a.h"]]),
    ("SELECT unnest(bounds) FROM histogram_points", [[1.0], [2.0]]),
    ("SELECT buckets[2], list_sum(buckets) FROM histogram_points", [[2, 4]]),
    ("SELECT * FROM generate_series(1, 3)", [[1], [2], [3]]),
    ("SELECT list(value ORDER BY value DESC)[1:2] FROM points", [[[2.0, 1.0]]]),
    ("SELECT list_transform(list(value ORDER BY value), lambda v: v * 2) FROM points", [[[2.0, 4.0]]]),
    (
        "WITH a AS (SELECT series, list(value) AS l FROM points GROUP BY 1) SELECT series, len(l) FROM a",
        [[1, 2]],
    ),
    (
        "SELECT list(bound ORDER BY bound) FROM (SELECT unnest(bounds) AS bound FROM histogram_points)",
        [[[1.0, 2.0]]],
    ),
    ("SELECT string_agg(metric, ',' ORDER BY metric) FROM series", [["a.h,process.cpu.usage"]]),
    ("SELECT count(k.count) FROM chunks AS k JOIN series AS s ON s.id = k.series", [[0]]),
    ("SELECT 1 UNION ALL SELECT 2 ORDER BY 1 DESC", [[2], [1]]),
    (
        "SELECT 'a' || 'b', CASE WHEN 1 IN (1, 2) THEN upper('c') ELSE 'd' END, 'abc' LIKE 'a%'",
        [["ab", "C", True]],
    ),
    ("SELECT NULL, true, 1.5::DECIMAL(4,2), 'nan'::DOUBLE", [[None, True, 1.5, None]]),
    (
        "SELECT {'a': 1}, [1, 2], DATE '2024-01-02', INTERVAL 90 SECOND",
        [[{"a": 1}, [1, 2], "2024-01-02", 90.0]],
    ),
    (
        "SELECT 170141183460469231731687303715884105727::HUGEINT, 'ab'::BLOB",
        [["170141183460469231731687303715884105727", "6162"]],
    ),
    ("SELECT to_timestamp(0) AS t", [["1970-01-01T00:00:00Z"]]),
    (
        "SELECT [to_timestamp(0)], {'at': to_timestamp(1), 'n': 2}",
        [[["1970-01-01T00:00:00Z"], {"at": "1970-01-01T00:00:01Z", "n": 2}]],
    ),
    ("SELECT 1 /* ; */ ; -- x", [[1]]),
    ("SELECT '; -- x' /* y */ ;; -- it's", [["; -- x"]]),
    ('SELECT $$; /* $$ AS "a;--"; /* z\n */', [["; /* "]]),
    ("SELECT metric_pattern FROM retention_policies WHERE retention_days > 20", [["infrastructure.*"]]),
    ("SELECT count(*) FROM metric_aggregates UNION ALL SELECT count(*) FROM insights", [[0], [0]]),
]


@pytest.fixture
def filled(asked: Desk) -> Desk:
    asked.store(
        batch(
            [Point(1, NOW, 1.0), Point(1, NOW - SECOND, 2.0)],
            [Histogram(2, NOW, 4, 10.0, (1.0, 2.0), (1, 2, 1))],
            series=[series(1, attributes='{"service.name":"node"}'), series(2, "a.h", MetricType.HISTOGRAM)],
        )
    )
    return asked


@pytest.mark.parametrize(("sql", "rows"), ALLOWED)
def test_reads_are_answered_as_json_can_say_them(filled: Desk, sql: str, rows: list[list[object]]) -> None:
    assert filled.runner.sql(sql).rows == rows


def test_an_answer_names_its_columns_and_types(filled: Desk) -> None:
    answer = filled.runner.sql("SELECT value AS v, timestamp, now() AS n FROM metrics")
    assert answer.columns == ["v", "timestamp", "n"]
    assert answer.types == ["DOUBLE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"]
    assert answer.elapsed_ms > 0


@pytest.mark.parametrize(("asked_for", "given", "truncated"), [(2, 2, True), (3, 3, False), (9, 3, False)])
def test_rows_beyond_those_asked_for_are_cut(
    filled: Desk, asked_for: int, given: int, *, truncated: bool
) -> None:
    answer = filled.runner.sql("SELECT * FROM metrics", asked_for)
    assert (len(answer.rows), answer.truncated) == (given, truncated)


@pytest.mark.parametrize(
    ("sql", "max_rows", "words"),
    [
        ("SELEC 1", 10, "not SQL"),
        ("SELECT nothing FROM metrics", 10, "nothing"),
        ("SELECT 1", 0, "max_rows is from 1 to 100,000"),
        ("SELECT 1", 100_001, "max_rows is from 1 to 100,000"),
        ("SELECT '" + "x" * 20_000 + "'", 10, "longer than 16,384"),
        ("", 10, "is empty: write a SELECT"),
        ("; -- nothing /* at */ all", 10, "is empty: write a SELECT"),
        ("SELECT * FROM " + "(SELECT * FROM " * 500 + "points" + ")" * 500, 10, "nested too deeply"),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000, 10, "depth"),
    ],
)
def test_a_statement_that_cannot_run_is_refused_in_one_line(
    asked: Desk, sql: str, max_rows: int, words: str
) -> None:
    with pytest.raises(QueryError, match=words) as refused:
        asked.runner.sql(sql, max_rows)
    assert "\n" not in str(refused.value)


def test_an_answer_of_more_than_64_mib_is_refused(asked: Desk) -> None:
    text = "'" + "x" * 8000 + "'"
    with pytest.raises(QueryError, match="larger than 64 MiB"):
        asked.runner.sql_document(f"SELECT {text} || range FROM range(20000)", 20_000)


@pytest.mark.parametrize(
    "value",
    [
        "list(range)",
        "[list(range)]",
        "{'a': list(range)}",
        "map([1], [list(range)])",
    ],
)
def test_a_list_that_would_fill_the_memory_is_refused(asked: Desk, value: str) -> None:
    few, many = (f"SELECT {value} AS v FROM range({number})" for number in (10, 400_000))
    assert asked.runner.sql(few).truncated is False
    with pytest.raises(QueryError, match="a list of more than 100,000 items"):
        asked.runner.sql(many)


@pytest.mark.parametrize(("sql", "rows"), ALLOWED)
def test_a_document_says_what_an_answer_says(filled: Desk, sql: str, rows: list[list[object]]) -> None:
    document = msgspec.json.decode(b"".join(filled.runner.sql_document(sql)), type=SqlAnswer)
    answer = filled.runner.sql(sql)
    assert document.rows == answer.rows == rows
    assert (document.columns, document.types) == (answer.columns, answer.types)


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1000, 5000])
def test_a_document_is_whole_however_many_rows_it_has(asked: Desk, count: int) -> None:
    sql = f"""SELECT range AS "a""rows"":[]", 'x' || range FROM range({count})"""
    document = msgspec.json.decode(b"".join(asked.runner.sql_document(sql, 1000)), type=SqlAnswer)
    assert document.rows == [[number, f"x{number}"] for number in range(min(count, 1000))]
    assert document.truncated == (count > 1000)


def test_a_statement_that_never_ends_is_ended(asked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blackhole.query.sandbox.TIMEOUT_S", 0.3)
    with pytest.raises(QueryError, match=r"longer than 0.3 s"):
        asked.runner.sql(
            "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range = 7"
        )
    assert asked.runner.sql("SELECT 1").rows == [[1]]
