-- What that role may do; run again after every reset of the schema, which drops the grants with the tables.
SET client_min_messages = error;
GRANT USAGE ON SCHEMA public, archive TO pgcordon;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, archive TO pgcordon;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public, archive TO pgcordon;
RESET client_min_messages;
