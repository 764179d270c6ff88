-- Invoices of several companies, read by people of these companies. The policy is client-portal.yaml.
CREATE TABLE companies (
    id int PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE invoices (
    id int PRIMARY KEY,
    company_id int NOT NULL REFERENCES companies,
    total numeric(10, 2) NOT NULL,
    contact text NOT NULL,
    internal_note text
);
CREATE TABLE invoice_lines (
    invoice_id int NOT NULL REFERENCES invoices,
    line int NOT NULL,
    what text NOT NULL,
    PRIMARY KEY (invoice_id, line)
);
INSERT INTO companies VALUES (1, 'Acorn'), (2, 'Birch');
INSERT INTO invoices VALUES
    (1, 1, 120, 'ada@acorn.example', 'pays late'),
    (2, 1, 80, 'ada@acorn.example', NULL),
    (3, 2, 500, 'bea@birch.example', 'about to leave us');
INSERT INTO invoice_lines VALUES (1, 1, 'nuts'), (1, 2, 'bolts'), (2, 1, 'nuts'), (3, 1, 'everything');

GRANT SELECT ON companies, invoices, invoice_lines TO pgcordon;
