-- Tickets of teams, and who is in which team. The policy is team-lookup.yaml.
CREATE TABLE members (
    team_id int NOT NULL,
    login text NOT NULL,
    PRIMARY KEY (team_id, login)
);
CREATE TABLE tickets (
    id int PRIMARY KEY,
    team_id int NOT NULL,
    title text NOT NULL
);
INSERT INTO members VALUES (10, 'petra'), (10, 'quinn'), (20, 'quinn');
INSERT INTO tickets VALUES (1, 10, 'printer on fire'), (2, 20, 'invoice lost'), (3, 30, 'office too warm');

GRANT SELECT ON members TO pgcordon;
GRANT SELECT, INSERT, UPDATE ON tickets TO pgcordon;
