TRUNCATE docs, feed, teams, members, blind, logs, things, stamped, kinds, drafts, codes, secret RESTART IDENTITY;
INSERT INTO docs VALUES
    (1, 'North', 'rita', 'new', 'own', 1.50, 'a', '{x}'),
    (2, 'North', 'ralf', 'new', 'of another', 2, 'b', NULL),
    (3, 'North', 'rita', 'old', 'own and old', 3, NULL, '{}'),
    (4, 'South', 'rita', 'new', 'hidden', 4, 'd', NULL),
    (5, 'South', 'ralf', 'old', '77', 5, 'e', NULL),
    (6, 'North', NULL, 'old', '6', NULL, NULL, NULL);
INSERT INTO feed VALUES (1, 'North', 'rita', 'fed', 10), (2, 'North', 'ralf', 'fed', 20), (3, 'North', 'rita', '3', 30),
    (4, 'North', 'rita', 'fed', 40), (5, 'South', 'ralf', 'canary', 50), (7, 'North', 'rita', 'new one', 70),
    (8, 'South', 'rita', '8', 80), (9, 'North', 'ralf', NULL, NULL);
INSERT INTO teams VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO members VALUES (1, 'rita', 'lead'), (1, 'ralf', 'x'), (2, 'rita', 'y'), (3, 'ralf', 'lead');
INSERT INTO blind VALUES (1, 'North', 'a'), (2, 'South', 'b'), (3, 'North', 'c');
INSERT INTO logs VALUES ('2025-01-01', 'North', 1), ('2025-01-01', 'South', 2), ('2025-01-02', 'North', 3);
INSERT INTO things VALUES (1, 'North', 'a'), (2, 'South', 'b');
INSERT INTO big_things VALUES (3, 'North', 'c', 5), (4, 'South', 'd', 6);
INSERT INTO stamped VALUES (1, 'North', 'x'), (2, 'South', 'y');
INSERT INTO kinds (id, region, kind) VALUES (1, 'North', 'plain'), (2, 'South', 'odd');
INSERT INTO drafts VALUES (1, 'rita', 'rita', 'a'), (2, 'ralf', 'rita', 'b'), (3, NULL, 'rita', 'c'), (4, NULL, 'ralf', 'd');
INSERT INTO codes VALUES (1, 'abcdx', 'x'), (2, 'abx', 'x');
INSERT INTO secret VALUES (1, 'canary');
