#!/bin/sh
# Run once by the PostgreSQL image for an empty data folder: the proxy's role, the database, its data.
set -eu

# psql quotes the password; it never stands in a command line.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
\getenv password PGCORDON_UPSTREAM_PASSWORD
CREATE ROLE pgcordon LOGIN NOSUPERUSER PASSWORD :'password';
CREATE DATABASE shop;
SQL
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname shop --file /demo/shop.sql >/dev/null
