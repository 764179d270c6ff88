-- An app for many tenants in one database. The policy is tenant-wall.yaml.
CREATE TABLE projects (id int PRIMARY KEY, tenant_id int NOT NULL, name text NOT NULL);
CREATE TABLE tasks (id int PRIMARY KEY, tenant_id int NOT NULL, project_id int NOT NULL REFERENCES projects, what text NOT NULL);
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE tenants (tenant_id int PRIMARY KEY, plan text NOT NULL);
INSERT INTO projects VALUES (1, 1, 'roof'), (2, 1, 'cellar'), (3, 2, 'garden');
INSERT INTO tasks VALUES (1, 1, 1, 'buy tiles'), (2, 2, 3, 'plant a tree');
INSERT INTO countries VALUES ('AT', 'Austria'), ('DE', 'Germany');
INSERT INTO tenants VALUES (1, 'free'), (2, 'gold');

GRANT SELECT, INSERT, UPDATE, DELETE ON projects, tasks, tenants TO pgcordon;
GRANT SELECT ON countries TO pgcordon;
