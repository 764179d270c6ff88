-- Who leads whom, and what everybody has spent. The policy is hierarchy.yaml.
--
--   greta ── hugo ── ines
--        │        └─ jan
--        └─ kim
CREATE TABLE employees (
    id int PRIMARY KEY,
    login text NOT NULL UNIQUE,
    leader_id int REFERENCES employees
);
CREATE TABLE expenses (
    id int PRIMARY KEY,
    employee_id int NOT NULL REFERENCES employees,
    what text NOT NULL,
    amount numeric(10, 2) NOT NULL
);
INSERT INTO employees VALUES (1, 'greta', NULL), (2, 'hugo', 1), (3, 'ines', 2), (4, 'jan', 2), (5, 'kim', 1);
INSERT INTO expenses VALUES
    (1, 1, 'a yacht', 90000),
    (2, 2, 'a chair', 300),
    (3, 3, 'a train', 80),
    (4, 4, 'a lunch', 20),
    (5, 5, 'a taxi', 45);

GRANT SELECT ON employees TO pgcordon;
GRANT SELECT, INSERT ON expenses TO pgcordon;
