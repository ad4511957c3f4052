"""The functions that people's SQL may call: none reads files or settings, or makes much of little."""

_SIGNS = "+ - * / // % ** ^ & | ~ << >> @ ! || ~~ !~~ ~~* !~~* ~~~ -> ->> ^@"

_NUMBERS = """
abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees even exp floor fmod gamma greatest isfinite
isinf isnan least ln log log10 log2 mod nextafter pi pow power radians round round_even sign sin sqrt tan
trunc add subtract multiply divide width_bucket
"""
_TEXTS = """
lower upper length len strlen substring substr left right trim ltrim rtrim contains starts_with ends_with
prefix suffix position strpos instr split_part string_split str_split regexp_matches regexp_full_match
regexp_extract like_escape not_like_escape ilike_escape not_ilike_escape reverse md5 hash concat concat_ws
hex unhex to_hex ascii ord jaccard
"""
_TIMES = """
now current_timestamp current_date get_current_timestamp today date_trunc datetrunc date_part datepart
date_diff datediff date_add date_sub datesub time_bucket extract epoch epoch_ms epoch_us epoch_ns
make_timestamp make_timestamp_ms make_timestamp_ns make_date to_timestamp strftime strptime try_strptime
age year month day hour minute second millisecond microsecond dayofweek dayofyear isodow week weekofyear
yearweek quarter last_day dayname monthname to_seconds to_minutes to_hours to_days to_weeks to_months
to_years to_milliseconds to_microseconds timezone
"""
_VALUES = """
coalesce nullif ifnull if typeof try_cast case error list_value struct_pack row struct_extract
struct_extract_at array_extract list_extract list_element list_contains list_has array_contains
list_position list_sum list_min list_max list_avg list_count list_sort list_reverse_sort list_distinct
list_unique list_slice array_slice list_first list_last list_filter list_transform list_apply array_length
map map_extract map_keys map_values element_at cardinality unnest json_extract json_extract_string
json_extract_path json_extract_path_text json_value json_keys json_array_length json_type json_valid
json_exists json_contains json
"""
_AGGREGATES = """
count count_star count_if countif sum avg mean min max median mode quantile quantile_cont quantile_disc
approx_quantile approx_count_distinct stddev stddev_samp stddev_pop var_samp var_pop variance covar_samp
covar_pop corr regr_slope regr_intercept regr_r2 regr_count regr_avgx regr_avgy regr_sxx regr_syy regr_sxy
skewness kurtosis entropy mad first last any_value arbitrary arg_max arg_min max_by min_by bool_and
bool_or bit_and bit_or bit_xor product fsum favg kahan_sum sum_no_overflow geomean geometric_mean
histogram list array_agg string_agg group_concat listagg grouping grouping_id sem
"""
_WINDOWS = """
row_number rank dense_rank rank_dense percent_rank cume_dist ntile lag lead first_value last_value
nth_value
"""

_GATHERING = "string_agg group_concat listagg list array_agg histogram"
_GROWING = (
    "|| concat concat_ws hex to_hex list_value row struct_pack map string_split str_split " + _GATHERING
)

OPERATORS = frozenset(_SIGNS.split())
SCALARS = frozenset((_NUMBERS + _TEXTS + _TIMES + _VALUES + _AGGREGATES + _WINDOWS).split())
TABLES = frozenset(("unnest", "generate_series", "range"))
# Each can double what it is given, and DuckDB does not count that towards its memory limit.
GROWING = frozenset(_GROWING.split())
MAX_GROWING = 8
# What gathers rows has megabytes to begin with.
GATHERING = frozenset(_GATHERING.split())
MAX_GROWING_OF_MUCH = 4
# What takes a part of a list copies all of it, for each row.
SLICES = frozenset(("array_slice", "list_slice"))
# Tables with lists of thousands of values.
HELD = frozenset(("chunks", "histogram_chunks"))
