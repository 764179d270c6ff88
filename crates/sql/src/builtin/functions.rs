//! Built-in functions that can do no harm, topic by topic, by their name in `pg_catalog`.
//!
//! In:  nothing; this is data, for PostgreSQL 13 to 18. A name that a server does not have is harmless here.
//! Out: the sorted tables that `builtin` searches.
//!
//! Invariants, for every overload of every name here, in each of those versions:
//! - It reads its arguments, the clock, the random generator, and what says how to show a value (time zone, locale,
//!   encoding, text search configuration, labels of its argument's enum). Never a table, another object's catalog
//!   entry, a file, a large object, a sequence, a snapshot, a statistic, the text of a query, another session.
//! - It changes nothing: no setting, no lock, no seed, no notification, no log line of the caller's choice.
//! - It runs no SQL that is held in a string, waits for nothing, and gives no OID alias type (`regtype` …): a
//!   string compared with one is looked up in the catalog, which tells whether a hidden relation exists.
//!
//! A new name needs all of these shown, overload by overload. Left out on purpose although common: `pg_typeof`
//! (gives `regtype`), `current_query` (shows our predicates), `setseed`, `pg_input_is_valid` (reads any type by
//! name), `ts_rewrite` and `ts_stat` (SQL in strings), `current_setting`, `pg_sleep`, input and output functions.

use super::table::{count, sorted};

/// Numbers.
const MATH: &str = "
    abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot cotd
    degrees div erf erfc exp factorial floor gamma gcd lcm lgamma ln log log10 min_scale mod pi pow power radians
    random random_normal round scale sign sin sind sinh sqrt tan tand tanh trim_scale trunc width_bucket
";

/// Strings. `normalize`, `overlay`, `position`, `substring`, `btrim`, `like_escape`, `similar_to_escape` and some
/// more are what the grammar makes of SQL syntax (`SUBSTRING(a FROM b)` …).
const TEXT: &str = "
    ascii bit_length btrim casefold char_length character_length chr concat concat_ws format icu_unicode_version
    initcap is_normalized left length like_escape lower lpad ltrim normalize octet_length overlay parse_ident
    position quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like regexp_match
    regexp_replace regexp_split_to_array regexp_substr repeat replace reverse right rpad rtrim similar_escape
    similar_to_escape split_part starts_with string_to_array strpos substr substring to_ascii to_bin to_hex to_oct
    translate unicode_assigned unicode_version unistr upper
";

/// Bytes, bits, digests, encodings by name.
const BYTES: &str = "
    bit_count convert convert_from convert_to crc32 crc32c decode encode get_bit get_byte md5 pg_char_to_encoding
    pg_encoding_max_length pg_encoding_to_char set_bit set_byte sha224 sha256 sha384 sha512
";

/// Formatting between types. `money` words and sizes included.
const FORMAT: &str = "
    cash_words pg_size_bytes pg_size_pretty to_char to_date to_number to_timestamp
";

/// Dates and times. `age(xid)` tells how many transactions ago one was: no other row or session is read.
const TIME: &str = "
    age clock_timestamp date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days
    justify_hours justify_interval make_date make_interval make_time make_timestamp make_timestamptz now overlaps
    statement_timestamp timeofday timezone transaction_timestamp
";

/// JSON. Those that fill records parse strings as the types of the record, which the statement names: the analysis
/// checks types wherever they stand.
const JSON: &str = "
    array_to_json json_array_length json_build_array json_build_object json_extract_path json_extract_path_text
    json_object json_populate_record json_strip_nulls json_to_record json_typeof jsonb_array_length
    jsonb_build_array jsonb_build_object jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
    jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query_array
    jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz jsonb_populate_record
    jsonb_populate_record_valid jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_typeof
    row_to_json to_json to_jsonb
";

/// Arrays.
const ARRAY: &str = "
    array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
    array_positions array_prepend array_remove array_replace array_reverse array_sample array_shuffle array_sort
    array_to_string array_upper cardinality trim_array
";

/// Ranges and multiranges: constructors and parts (`lower` and `upper` are under text as well).
const RANGE: &str = "
    datemultirange daterange int4multirange int4range int8multirange int8range isempty lower_inc lower_inf
    multirange nummultirange numrange range_merge tsmultirange tsrange tstzmultirange tstzrange upper_inc upper_inf
";

/// UUIDs.
const UUID: &str = "gen_random_uuid uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7";

/// Network addresses; those that tell the connection's own (`inet_client_addr` …) are left out.
const NETWORK: &str = "
    abbrev broadcast family host hostmask inet_merge inet_same_family macaddr8_set7bit masklen netmask network
    set_masklen
";

/// Geometry. `popen` and `pclose` open and close a path in the plane.
const GEOMETRY: &str = "
    area bound_box center diagonal diameter height isclosed ishorizontal isopen isparallel isperp isvertical
    npoints pclose popen radius slope width
";

/// Full text search with the configurations that the data owner made. Those that show a configuration, a parser or
/// a dictionary by itself (`ts_debug`, `ts_lexize`, `ts_parse` …) are left out. A configuration named with a schema
/// (`to_tsvector('s.c', …)`) tells by its error whether the schema exists, and nothing of what is in it.
const SEARCH: &str = "
    array_to_tsvector json_to_tsvector jsonb_to_tsvector numnode phraseto_tsquery plainto_tsquery querytree
    setweight strip to_tsquery to_tsvector ts_delete ts_filter ts_headline ts_rank ts_rank_cd tsquery_phrase
    tsvector_to_array websearch_to_tsquery
";

/// XML held in an argument; libxml may load nothing (`xmlPgEntityLoader` in xml.c). Those that read tables
/// (`query_to_xml` …) are left out.
const XML: &str = "
    xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlcomment xmlexists xmltext xpath
    xpath_exists
";

/// Labels of an enum type, named by the argument's type.
const ENUM: &str = "enum_first enum_last enum_range";

/// Conversions called by the type's name, as `int4(x)` or `text(x)`: pure for each of these types. `regclass(x)`
/// and its kin look a name up in the catalog.
const CONVERSION: &str = "
    bit bool box bpchar bytea char cidr circle date float4 float8 inet int2 int4 int8 interval json jsonb line lseg
    macaddr macaddr8 money name numeric path point polygon text time timestamp timestamptz timetz uuid varbit
    varchar xml
";

/// Facts of one's own session that a client learns anyway when it connects.
const SESSION: &str = "
    current_database current_schema current_schemas pg_backend_pid pg_client_encoding pg_is_in_recovery version
";

/// Facts of the argument as such: how it is stored, its collation, whether it is null.
const ARGUMENT: &str = "num_nonnulls num_nulls pg_collation_for pg_column_size";

const PLAIN_TOPICS: &[&str] = &[
    MATH, TEXT, BYTES, FORMAT, TIME, JSON, ARRAY, RANGE, UUID, NETWORK, GEOMETRY, SEARCH, XML,
    ENUM, CONVERSION, SESSION, ARGUMENT,
];

/// Functions that give a set of rows, from their arguments alone. `pg_get_keywords` lists the grammar's words.
const SET_RETURNING_TOPICS: &[&str] = &["
    generate_series generate_subscripts json_array_elements json_array_elements_text json_each json_each_text
    json_object_keys json_populate_recordset json_to_recordset jsonb_array_elements jsonb_array_elements_text
    jsonb_each jsonb_each_text jsonb_object_keys jsonb_path_query jsonb_path_query_tz jsonb_populate_recordset
    jsonb_to_recordset pg_get_keywords regexp_matches regexp_split_to_table string_to_table unnest
"];

/// Aggregates, ordered-set aggregates included.
const AGGREGATE_TOPICS: &[&str] = &["
    any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every json_agg
    json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict
    jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
    jsonb_object_agg_unique_strict max min mode percentile_cont percentile_disc range_agg range_intersect_agg
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop
    stddev_samp string_agg sum var_pop var_samp variance xmlagg
"];

/// Window functions. The ranks are hypothetical-set aggregates too (`rank(1) WITHIN GROUP (…)`).
const WINDOW_TOPICS: &[&str] = &["
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
"];

pub(super) static PLAIN: [&str; count(PLAIN_TOPICS)] = sorted(PLAIN_TOPICS);
pub(super) static SET_RETURNING: [&str; count(SET_RETURNING_TOPICS)] = sorted(SET_RETURNING_TOPICS);
pub(super) static AGGREGATE: [&str; count(AGGREGATE_TOPICS)] = sorted(AGGREGATE_TOPICS);
pub(super) static WINDOW: [&str; count(WINDOW_TOPICS)] = sorted(WINDOW_TOPICS);
