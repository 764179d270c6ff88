-- `policy.yaml` said with PostgreSQL's own means.
GRANT SELECT, INSERT, UPDATE, DELETE ON papers, notes TO rita, ralf, max;
GRANT SELECT ON titles TO rita, ralf, max;
GRANT USAGE ON SEQUENCE papers_id_seq, notes_id_seq, visits_id_seq TO rita, ralf, max;
ALTER VIEW titles SET (security_invoker = true);
ALTER TABLE papers ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON papers TO rita, ralf USING (region = own_region()) WITH CHECK (region = own_region());
CREATE POLICY everything ON papers TO max USING (true) WITH CHECK (true);
CREATE POLICY own ON notes TO rita, ralf USING (region = own_region()) WITH CHECK (region = own_region());
CREATE POLICY everything ON notes TO max USING (true) WITH CHECK (true);
