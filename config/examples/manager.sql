-- Customers of sales regions. The policy is manager.yaml.
CREATE TABLE customers (
    id int PRIMARY KEY,
    region text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    ssn text NOT NULL,
    deleted_at timestamptz
);
INSERT INTO customers VALUES
    (1, 'North', 'Nora', 'nora@mail.example', '111', NULL),
    (2, 'North', 'Nils', 'nils@mail.example', '222', '2026-01-01'),
    (3, 'South', 'Sara', 'sara@mail.example', '333', NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO pgcordon;
