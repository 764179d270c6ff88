select id, name from customers order by id

SELECT o.id, c.name FROM orders o LEFT JOIN public.customers AS c ON c.id = o.customer_id -- comment

select public.orders.id from public.orders where note like 'x%'

select * from orders where note::int > 5

select * from (select note::int n from orders) x where n > 40

with orders as (select * from orders) select * from orders

with recursive t(n) as (select 1 union all select n + 1 from t where n < 5), c as (select * from customers) select * from t, c

select count(*) filter (where amount > 1), (select max(name) from customers c where c.id = o.customer_id) from orders o group by ()

select e.*, email from employees e where email like '%@x'

select * from employees for update

table orders

select * from only orders where order_date >= date '2025-01-01' - interval '90' day

select * from orders tablesample bernoulli (10) where id in (1, 2, $1)

select id from v_orders where note = 'x'

select * from regions natural join customers

select * from regions r left join customers c using (region) where c.id between 1 and 5

select lower(name), extract(year from order_date), trim(both 'x' from note) from orders join customers on customers.id = customer_id

copy customers (id, name) to stdout

copy (select * from orders) to stdout with csv header

select x from generate_series(1, 3) x, lateral (select * from orders where orders.id = x) y

select 1; select 2 from orders;

select amname from pg_am

select o from orders o

select * from order_items

begin; set local search_path = public; commit

values (1, (select max(secret) from customers))

select 1 from orders where id not /* c */ in (1, 2)

select format_type(t, m) from (values (23, -1)) v (t, m)

select * from unnest(array[1, 2], array['a', 'b']) as u (a, b)

select c.id, c.name, count(o.id) from customers c left join orders o on o.customer_id = c.id group by c.id

select pg_advisory_unlock_all(); close all; unlisten *; reset all

select ctid, tableoid::text, * from orders where ctid = '(0,1)'

select *, o.* from orders o, regions r where o.xmin is not null and r.region = o.region

select c.ctid, c.* from customers c join orders o using (region)

select * from (select ctid, * from orders) x, lateral (select o.ctid from orders o where o.ctid = x.ctid) y

select exists (select * from orders where ctid = '(0,2)')

select (o).*, (o).note, row_to_json(o), o::text, count(o) from orders o where o is not null group by o

select (x.a).*, (x.a).b from (select row(1, 2) as a) x

select (array[o])[1].note from orders o

select o, ctid, * from orders o

select e from (select id, email from employees) e

select o.*::text, o from orders o

select id, c.name from customers c left join orders o using (id) group by id
