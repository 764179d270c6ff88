create table made (id serial primary key, at timestamptz default now(), body text not null check (length(body) < 10), n int generated always as identity (start with 5), twice int generated always as (n * 2) stored)

create table if not exists staging.made (id bigint, like plain including all, constraint one unique (id) with (fillfactor = 70), foreign key (id) references public.plain (id) on delete cascade)

create unlogged table made (id int primary key, parent int references made, other int references public.made (id), third int references tasks on delete set null)

create table made (id int, exclude using gist (id with =) where (id > 0))

create table made (id int, region text) partition by list (lower(region))

create table made partition of archive for values from (minvalue) to (10)

create table made (more text) inherits (plain)

create table made (id int) partition by range (id) with (autovacuum_enabled = off)

create table made (id int default nextval('nothing'))

create table made (like orders)

create table made (like read_only)

create table made (like employees)

create table made (id int references read_only)

create table made (id int references payroll)

create table made (id int) inherits (payroll)

create table made (id int) inherits (customers)

create table made (id int default (select 1))

create table made (id int default pg_read_file('x')::int)

create table made (id int check (public.spy(id)))

create table made (a text default current_setting('work_mem'))

create table made (a oid default 'orders'::regclass)

create table made (pgcordon_x int)

create table pgcordon_made (x int)

create table made (x int) tablespace other

create table made (x int) using other

create table made (x int) with (user_catalog_table = true)

create table made of kind

create temp table made (x int)

create table pg_temp.made (x int)

create table pg_catalog.made (x int)

create table nowhere.made (x int)

create table orders (x int)

create table customers (x int)

create table made (x regclass)

alter table plain add column note text default 'x' check (note <> ''), drop column if exists body, alter id set default 1, alter id drop not null, alter column id set statistics 10, add constraint c check (id > 0) not valid, validate constraint c, drop constraint d, set (fillfactor = 80), alter id set storage plain

alter table only public.plain alter column id type bigint using id::bigint + 1

alter table plain drop column body cascade, drop constraint c cascade

alter table plain rename to simple

alter table plain rename column body to cascade

alter table plain rename constraint a to b

alter table staging.raw rename to cooked

alter table staging.raw set schema public

alter table plain set schema staging

alter table if exists nothing add column x int

alter table if exists payroll add column x int

alter table payroll add column x int

alter table read_only add column x int

alter table customers add column x int

alter table orders add column x int

alter table orders drop column region

alter table archive add column x int

alter table tasks rename owner to region

alter table tasks add column now text

alter table tasks drop column salary

alter table tasks add column fine int

alter table staging.raw add column tenant_id int

alter table staging.raw rename column body to tenant_id

alter table staging.walled drop column tenant_id

alter table plain disable row level security

alter table plain owner to somebody

alter table plain disable trigger all

alter table plain inherit archive

alter table archive attach partition plain for values in (1)

alter table plain set tablespace other

alter table plain replica identity full

alter table plain add constraint u unique using index i

alter table plain cluster on i

alter view v_orders set (security_barrier = false)

alter table plain add column x int default (select max(id) from orders)

drop table plain

drop table if exists public.plain, staging.raw, nothing cascade

drop table if exists payroll

drop table payroll

drop table orders

drop table tasks restrict

drop table read_only

drop table archive

drop table pg_class

drop view v_orders

drop view plain

drop view v_payroll

drop schema if exists staging

drop schema staging cascade

drop type if exists kind

drop function f()

drop owned by pgcordon

create index on plain (id)

create unique index concurrently if not exists i on only public.plain using btree (lower(body) text_pattern_ops desc nulls last, id) include (id) with (fillfactor = 90) where id > 1 and body like 'x%'

create index on plain using gin (to_tsvector('simple', body))

create index on plain (body my_ops)

create index on plain using bloom (body)

create index on plain (public.spy(body))

create index on plain (id) tablespace other

create index on read_only (id)

create index on payroll (id)

create index on v_orders (id)

create sequence s as int increment by 2 minvalue 1 owned by plain.id

create sequence s owned by payroll.id

create sequence s owned by none

create temp sequence s

alter sequence s restart

create schema more

create schema more authorization somebody

create schema more create table x (a int)

create schema pgcordon_x

create schema pg_x

comment on table plain is 'x'

comment on column public.plain.body is 'x'

comment on column payroll.amount is null

comment on table read_only is 'x'

comment on function f() is 'x'

comment on database shop is 'x'

create type mood as enum ('sad', 'ok')

create type pair as (a int, b text collate "C")

create type region as enum ('North')

create type pg_catalog.mood as enum ('x')

create type t (input = f, output = f)

create type r as range (subtype = float8)

alter type mood add value 'happy' after 'ok'

alter type mood rename value 'sad' to 'x'

create domain positive as int default 1 not null check (value > 0)

create domain leak as int check (value > (select max(id) from orders))

refresh materialized view concurrently plain

refresh materialized view payroll

vacuum (analyze, verbose) plain

analyze plain (id), staging.raw

vacuum full plain

vacuum

analyze payroll

create table made (id int); create index on made (id)

create table made (id int); create table other (id int references made)

alter table plain rename to simple; select * from plain

drop table plain; create table plain (id int); select 1

create table made (id int); select * from orders

create function f() returns int language sql as 'select 1'

create trigger t before insert on plain execute function f()

create rule r as on insert to plain do nothing

create policy p on plain

grant select on plain to public

create extension dblink

create server s foreign data wrapper w

create publication p for all tables

do 'begin end'

reindex table plain

cluster plain

create statistics s on id, body from plain

create collation c from "C"

alter database shop set search_path = x

alter role somebody superuser

alter default privileges grant select on tables to public

security label on table plain is 'x'

explain create table made (id int)

prepare p as create table made (id int)

create temp table made (id int primary key, parent int references made) on commit drop

create temporary table if not exists pg_temp.made (id int default 1, like plain)

create table pg_temp.made (x int)

create temp table made as select * from orders

create local temp table made on commit preserve rows as select id from employees

select id into temp made from orders

create temp table pg_temp_3.made (x int)

create temp view made as select 1

create temp table made (like payroll)

create table made (x int) on commit drop
