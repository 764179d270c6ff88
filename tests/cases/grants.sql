-- What pgcordon's own role may do: no superuser, no owner, the data and nothing else.
GRANT USAGE ON SCHEMA public, archive TO pgcordon;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, archive TO pgcordon;
