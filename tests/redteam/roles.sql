-- The role that pgcordon connects as: it reads and writes data, and is neither superuser nor owner of anything.
CREATE ROLE pgcordon LOGIN PASSWORD 'pgcordon_pw' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
