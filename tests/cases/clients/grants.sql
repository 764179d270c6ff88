-- What pgcordon's own role may do with them.
GRANT SELECT, INSERT, UPDATE, DELETE ON papers, notes, titles TO pgcordon;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pgcordon;
