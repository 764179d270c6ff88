create table copy as select * from orders

create unlogged table if not exists public.copy (a, b) as select id, note from orders where amount > 1 with no data

select id, note into copy from orders where id = 1

select * into table public.copy from (select id from orders) x

create view mine as select o.id, c.name from orders o join customers c on c.id = o.customer_id

create or replace view mine (a) as select e.email from employees e

create materialized view public.counted as select region, count(*) from orders group by region

create or replace view v_orders as select 1 as id, 'x'::text as note

create table copy as select * from payroll

create view leak as select ssn from employees

create table copy as select pg_read_file('x')

create table copy as with w as (delete from orders returning *) select * from w

create temp table copy as select 1

select 1 as a into temporary copy

create temporary view t as select 1

create table pg_temp.copy as select 1

create table pg_catalog.copy as select 1

create table nowhere.copy as select 1

create table pgcordon_copy as select 1

create table copy with (fillfactor = 10) as select 1

create table copy tablespace x as select 1

create view v with (security_barrier) as select 1

create view v as select * from orders with check option

create recursive view r (n) as select 1 union all select n + 1 from r where n < 3

create table copy as execute p

explain create table copy as select 1

select (select 1 into copy)

with w as (select 1 into copy) select * from w

create table copy (a int)
