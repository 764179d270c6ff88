select * from orders where id = 5

SELECT *
FROM "orders" -- a comment
WHERE /* another */ ID = -7::int8;

select * from orders where id = $1

select * from orders where id = 5 and true

select * from public.orders where id = 5

prepare p as select * from orders where id = 5

declare c cursor for select * from orders where id = 5

explain select * from orders where id = 5

copy (select * from orders where id = 5) to stdout

create table kept as select * from orders where id = 5

with x as (select * from orders where id = 5) select * from x

select 1 union all (select 2 from (select * from orders where id = 5) y)

select 1; select * from orders where id = 5

update orders set note = 'x'

update orders set note = 'x' where true

update orders set note = 'x' where 1 = 1 or now() is null

update orders set note = 'x' where id = 1

update orders set note = 'x' where id = $1 and true

with d as (update orders set note = 'x' returning id) select * from d

prepare p as delete from orders

delete from orders using customers c where true

explain delete from orders

delete from orders_2025

insert into orders (id, region, customer_id) select id, region, 1 from orders

merge into orders o using customers c on true when matched then delete

merge into orders o using customers c on c.id = o.customer_id when matched then delete

select note from notes

select note from notes where id = 1

insert into notes (id, owner, body) values (1, 'x', 'y')

with n as (select * from notes) select count(*) from n

select (select count(*) from notes)

select * from regions r where exists (select 1 from notes n where n.owner = r.label)

table employees

select * from v_employees

select e.id from orders o join employees e on e.region = o.region where o.id = 1

select id from employees where region = 'North'

copy employees to stdout

copy orders from stdin

truncate orders

show timezone

set timezone = 'UTC'

select 1

create index orders_note on orders (note)

create index customers_name on customers (name)

alter table regions rename to places
