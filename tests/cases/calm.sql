-- A row for each odd value of every type; the n-th values stand together, shorter lists begin anew.
CREATE TYPE mood AS ENUM ('low', 'Zest', '');
ALTER TYPE mood ADD VALUE 'between' BEFORE 'Zest';
CREATE TABLE odd (region text, bounded numeric(12, 3), wide numeric(1000, 998), free numeric, small smallint, whole int,
    big bigint, plain text, short varchar(20), fixed char(3), label text COLLATE "C", feeling mood, day date,
    moment timestamp, zoned timestamptz, flag boolean, code uuid, ratio float8, bytes bytea, span interval);
INSERT INTO odd
SELECT CASE WHEN n % 2 = 0 THEN 'North' ELSE 'South' END,
    (ARRAY[NULL, 0, 'NaN', 999999999.999, -999999999.999, 0.001]::numeric[])[1 + n % 6],
    (ARRAY[NULL, 0, 'NaN', 99.9, -99.9, power(10::numeric, -998)]::numeric[])[1 + n % 6],
    (ARRAY[NULL, 0, 'NaN', 'Infinity', '-Infinity', ('1e131071')::numeric, ('-1e131071')::numeric, ('1e-16383')::numeric])[1 + n % 8],
    (ARRAY[NULL, 0, 32767, -32768]::smallint[])[1 + n % 4],
    (ARRAY[NULL, 0, 2147483647, -2147483648, -1]::int[])[1 + n % 5],
    (ARRAY[NULL, 0, 9223372036854775807, -9223372036854775808, -1]::bigint[])[1 + n % 5],
    (ARRAY[NULL, '', ' ', '%_\', U&'\0130\00DF\+01F600', E'a\nb', repeat('x', 100000), '1e999', 'NaN'])[1 + n % 9],
    (ARRAY[NULL, '', '12x', '%%%%%%%%%%%%%%%%%%%%', U&'\00DF\00DF']::varchar[])[1 + n % 5],
    (ARRAY[NULL, '', 'a  ', '%_%']::char(3)[])[1 + n % 4],
    (ARRAY[NULL, '', U&'\0130', 'z'])[1 + n % 4],
    (ARRAY[NULL, 'low', 'Zest', '', 'between']::mood[])[1 + n % 5],
    (ARRAY[NULL, 'infinity', '-infinity', '4713-01-01 BC', '5874897-12-31', '2024-02-29']::date[])[1 + n % 6],
    (ARRAY[NULL, 'infinity', '-infinity', '4713-11-24 00:00 BC', '294276-12-31 23:59:59.999999']::timestamp[])[1 + n % 5],
    (ARRAY[NULL, 'infinity', '-infinity', '4713-11-24 00:00+00 BC', '294276-12-31 23:59:59.999999+00']::timestamptz[])[1 + n % 5],
    (ARRAY[NULL, true, false])[1 + n % 3],
    (ARRAY[NULL, '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']::uuid[])[1 + n % 3],
    (ARRAY[NULL, 0, '-0', 'NaN', 'Infinity', '-Infinity', 1e308, 5e-324, -1e308]::float8[])[1 + n % 9],
    (ARRAY[NULL, '', '\x00ff']::bytea[])[1 + n % 3],
    (ARRAY[NULL, '0', '178000000 years', '-178000000 years', '2147483647 days', '1 us']::interval[])[1 + n % 6]
FROM generate_series(0, 89) AS n;
GRANT SELECT ON odd TO pgcordon;
