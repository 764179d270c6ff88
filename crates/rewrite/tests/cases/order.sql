select * from orders o join customers c on c.id = o.customer_id where o.id = 3 and o.note::int > 1 and c.id between 1 and 5

select * from orders o, customers c where c.id = o.customer_id and (o.id = 3 and (c.name::int = 1 or o.id = 4))

select * from customers c left join orders o on o.customer_id = c.id and o.id > 3 and o.note::int = 1 where o.id is null and c.name::int = 1

select * from (select customer_id, sum(note::int) s from orders group by customer_id) x where s / 0 > 1

select customer_id from orders group by customer_id having sum(note::int) > 3

select customer_id from orders group by customer_id having customer_id / 0 > 3

select * from orders o where (select max(o.note::int + r.id) from customers r) > 3

with c as not materialized (select note::int s from orders) select 1 from c c1 where (select max(c1.s + c2.s) from c c2) > 3

select (select max(c.name) from customers c where c.name::int = o.id) from orders o

select * from orders where 1 / (random() * 0)::int = 1

select * from orders o where o.id = 3 and o.note::int > 1 limit 1 for update skip locked

select * from (select * from orders) x where x.note::int > 1 for update

select * from orders o, lateral (select 1 where o.note::int > 1) l for update of o

update orders o set amount = 0 where id = 3 and note::int > 1 and case when amount between 1 and 2 and true then true end

delete from orders where (id = 3 and note::int > 1)

select * from orders where id = $1::int and $1::int > 2

select * from orders where id = 3 and $1::pg_catalog.text = 'x' and $1::pg_catalog.int4 > 0

select * from customers where name = $1::text
