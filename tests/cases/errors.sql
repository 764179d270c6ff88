-- Everything that PostgreSQL could say too much about. Values that are hidden start with CANARY, names hold `hush`.
CREATE TABLE people (
    id int PRIMARY KEY,
    region text NOT NULL,
    name text NOT NULL,
    code text,
    hush_secret text DEFAULT 'CANARY0',
    CONSTRAINT people_hush_secret_check CHECK (code <> 'bad' OR hush_secret = 'x'));
INSERT INTO people VALUES (1, 'North', 'Nora', '17', 'CANARY1'), (2, 'South', 'Sven', 'CANARY2', 'CANARY3');
CREATE TABLE hush_vault (id int PRIMARY KEY, person int CONSTRAINT hush_vault_fkey REFERENCES people);
INSERT INTO hush_vault VALUES (1, 1);
CREATE TABLE hush_denied (id int);
CREATE TABLE needy (id int PRIMARY KEY, hush_needed text NOT NULL);
CREATE TABLE masked (id int PRIMARY KEY, code text);
INSERT INTO masked VALUES (1, 'CANARY4');
CREATE TABLE judged (id int PRIMARY KEY, label text);
INSERT INTO judged VALUES (1, 'CANARY5');

CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.code = 'notify' THEN
        RAISE NOTICE 'moved % to %', OLD.hush_secret, NEW.code;
    ELSIF NEW.code = 'refuse' THEN
        RAISE EXCEPTION 'no change for % (%): "%"', OLD.hush_secret, 4711, OLD.hush_secret
            USING HINT = OLD.hush_secret, DETAIL = OLD.hush_secret;
    ELSIF NEW.code = 'cast' THEN
        PERFORM OLD.hush_secret::int;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER say AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION say();
CREATE FUNCTION tell(int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'tells %', (SELECT hush_secret FROM people WHERE id = $1);
    RETURN 1;
END $$;
CREATE FUNCTION reach() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT id FROM hush_denied);
END $$;


GRANT USAGE ON SCHEMA public TO pgcordon;
GRANT SELECT, INSERT, UPDATE, DELETE ON people, needy, masked, judged, hush_vault TO pgcordon;
-- What the unprotected path reads, so that the same statement shows the canary there.
ALTER TABLE judged ENABLE ROW LEVEL SECURITY;
CREATE POLICY judge ON judged USING (label::int > 0);
