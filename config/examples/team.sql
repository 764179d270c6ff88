-- Tickets of teams. The policy is team.yaml.
CREATE TABLE tickets (
    id int PRIMARY KEY,
    team_id int NOT NULL,
    title text NOT NULL,
    done boolean NOT NULL DEFAULT false
);
INSERT INTO tickets VALUES
    (1, 10, 'printer on fire', false),
    (2, 10, 'printer out of paper', true),
    (3, 20, 'invoice lost', false),
    (4, 30, 'office too warm', false);

GRANT SELECT, INSERT, UPDATE ON tickets TO pgcordon;
