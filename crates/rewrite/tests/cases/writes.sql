update orders set note = 'x' where id = 1

update orders o set amount = amount + 1 from customers c where c.id = o.customer_id and c.name = 'x' returning o.*

update orders set note = 'x' where note::int = 1 or true

update orders set region = 'South'

delete from orders where false or true

delete from order_items o using orders where orders.id = o.order_id returning *

insert into customers (id, region, name) values (1, 'North', 'x'), (2, default, 'y')

insert into customers (id, owner) values (1, 'me') returning id

insert into customers default values

insert into orders (id, region) select id, region from customers

insert into orders (id, region) values (1, 'North') on conflict (id) do update set note = excluded.note where orders.amount > 0 returning id

insert into orders (id, region) values (1, 'North') on conflict do nothing

with n as (insert into orders (id, region) values (1, 'North') returning id, region) select * from n

with d as (delete from orders where id = 1 returning *) select * from d

with u (a) as (update orders set note = 'x' returning id) select a from u

with u as (update orders set note = 'x') select 1

update employees set name = email where email = 'x' returning *, email

insert into notes values (1, 'rita', 'x')

update customers set name = (select max(secret) from customers c2 where c2.id = 201) where id = 101

insert into orders values (1, 'North', 2), ($1, $2, default)

insert into order_items (id, order_id) values (1, 2) on conflict do nothing

insert into orders (id, region) values (1, (select max(region) from customers))

update customers set (name, credit) = (select 'avg', avg(amount) from orders) where id in (1, 4)

update customers set name = 'x' where ctid in (select ctid from customers where id = 1)

insert into orders (id, region, note) select $1, $2, 'x' from regions

insert into orders select id, region from customers group by id

insert into customers (region, owner) select region, 'me' from regions

insert into customers select id, region from orders on conflict (id) do update set (region, name) = (select excluded.region, 'x')

insert into orders (id, region) select * from json_populate_recordset(null, '[]') as f

update orders set region = upper($1), note = 'x', amount = default where id = 1

update orders set (region, note) = row('x', note), amount = 1

update orders set (region, note) = (select c.region, null from customers c where c.id = orders.customer_id)

update orders set note = 'x' where id = 1 returning *

update order_items set order_id = 7

insert into employees (id, region) values (1, 'North')

insert into customers (id, region) values (1, 'North') on conflict (lower(name)) where secret = 'x' do nothing

copy orders from stdin

copy orders (id, region) from stdin with (format csv, header, encoding 'UTF8') where id > 7 or note is null

copy notes from stdin

copy (update orders set note = 'x' returning id, note as n) to stdout csv

copy (delete from orders returning id) to stdout

delete from orders where current of c

delete from orders where current of c returning id, note

update regions set label = 'x' where current of c

insert into orders select from customers

insert into customers select from orders where id = 1

insert into customers (id) select from orders where id = 1

update orders set region = 'North', note = random()::text

update orders o set region = 'North', note = random()::text from regions r where r.region = o.region

insert into orders (id, region) select id, region from customers on conflict (id) do update set region = 'North', note = random()::text

insert into customers (id, owner) values (((select o from orders o)).*)

update orders set (region, note) = row('North')

update orders set (region, note) = (select 'North')

update orders set (region, note) = row(r.*) from regions r
