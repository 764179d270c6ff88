merge into orders using customers on orders.customer_id = customers.id when matched then delete

merge into orders o using (values (7, 'North')) s (id, region) on o.id = s.id when matched then update set note = 'x' when not matched then insert (id, region) values (s.id, s.region)

merge into only public.orders as o using regions r on o.region = r.region when matched and o.amount > 1 then update set amount = default, region = upper(r.label) when matched then do nothing

with s as (select id, region from customers) merge into orders using s on orders.id = s.id and orders.note::int = 1 when not matched and s.region is not null then insert values (s.id, s.region) when matched and case when s.id = 1 then true else false end then update set (region, note) = (s.region, case s.id when 1 then 'a' else 'b' end)

merge into orders o using customers c join regions r on r.region = c.region on o.id = c.id or case when o.note = 'x' then 1/0 > 1 end when matched then do nothing when not matched then do nothing

merge into regions using customers on regions.region = customers.region when matched then delete

merge into customers using orders on customers.id = orders.customer_id when not matched then insert (id, region, name) values (orders.id, orders.region, 'x')

merge into customers using orders on customers.id = orders.customer_id when not matched then insert (id, owner, region) values (orders.id, 'me', $1)

merge into customers using orders on customers.id = orders.customer_id when not matched then insert default values

merge into customers c using orders on c.id = orders.customer_id when not matched then insert values (1, 'North')

merge into employees e using customers c on e.email = c.email when matched and e.email like 'a%' then update set name = e.email || c.name

merge into employees e using customers c on e.name = c.name when matched then update set region = e.email

merge into employees e using customers c on e.name = c.name when matched then update set email = c.email

merge into employees e using customers c on e.name = c.name when matched then update set salary = 1

merge into employees e using customers c on e.ssn = c.name when matched then do nothing

merge into employees e using customers c on e.name = c.name when matched and e is not null then do nothing

merge into employees e using customers c on e.name = c.name when matched then delete

merge into employees e using customers c on e.name = c.name when not matched then insert (id) values (1)

merge into order_items i using orders o on i.id = o.id when matched then update set order_id = (select max(id) from orders) when not matched then insert (id, order_id) values (1, (select min(o2.id) from orders o2 where o2.id > o.id))

merge into orders using customers on orders.id = customers.id when matched then update set region = (select region from regions limit 1), note = 'x'

merge into orders using customers on orders.id = customers.id when matched then update set region = random()::text

merge into orders using customers on orders.id = customers.id when matched then update set note = random()::text

merge into orders using customers on orders.id = customers.id when matched then update set (region, note) = (select region, label from regions)

merge into notes n using regions r on n.body = r.label when not matched then insert values (1, 'rita')

merge into notes n using regions r on n.body = r.label when matched then update set body = 'x'

merge into orders using (values (1)) s (id) on false when matched then delete

merge into orders using (values (1)) s (id) on true when matched then do nothing

merge into orders using orders_2025 s on orders.id = s.id when not matched then insert values (orders.id)

merge into orders o using regions s on s.region = o.region when matched then delete when matched then do nothing

merge into v_orders v using regions s on v.note = s.region when matched then delete

merge into payroll p using regions s on p.id = 1 when matched then delete

merge into orders o using payroll s on s.id = o.id when matched then delete

merge into orders o using regions s on s.region = o.region when not matched by source then delete

merge into orders o using regions s on s.region = o.region when not matched by target then do nothing

merge into orders o using regions s on s.region = o.region when matched then delete returning *

with m as (merge into orders o using regions s on s.region = o.region when matched then delete) select 1

merge into orders o using regions s on pg_sleep(1) is null when matched then delete

prepare p (int8) as merge into orders o using regions s on s.region = o.region and o.id = $1 when matched then delete

explain merge into orders o using regions s on s.region = o.region when matched then delete

copy (merge into orders o using regions s on s.region = o.region when matched then delete) to stdout

merge into orders o using regions r on o.id = 1 when not matched then insert (id, region) values (r.*)

merge into orders o using regions r on o.id = 1 when matched then update set (note, region) = row(r.*)

merge into orders o using regions r on o.id = 1 when matched then update set region = r.region, note = set_config('application_name', 'x', true)
