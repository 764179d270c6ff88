select count(*) from order_items oi where oi.sku like 'a%' and exists (select 1 limit oi.qty - 100)

select count(*) from order_items oi where exists (select 1 limit oi.qty)

select count(*) from order_items oi where exists (select generate_series(1, 1 / (oi.qty - oi.qty)))

select count(*) from order_items oi where exists (select 1 / (oi.qty - oi.qty) union select 2)

select count(*) from order_items oi where exists (select count(*) from regions group by 1 / (oi.qty - oi.qty) having count(*) > 0)

select count(*) from order_items oi where exists (select 1 from coalesce(1 / (oi.qty - oi.qty)) z)

select count(*) from order_items oi where array(select 1 limit oi.qty - 100) is not null

select count(*) from order_items oi where oi.id in (select oi.id order by 1 / (oi.qty - oi.qty) limit 1)

select count(*) from order_items oi where case when oi.sku like 'a%' then (select 1 limit 1 offset oi.qty - 100) else 1 end = 1

select count(*) from order_items oi where case when oi.sku like 'a%' then (select count(*) filter (where 1 / (oi.qty * column1) > 0) from (values (0), (0)) v) else 1::bigint end = 1

select count(*) from order_items oi where case when oi.sku like 'a%' then (select min(column1 order by 1 / (oi.qty * column1)) from (values (0), (0)) v) else 1 end = 1

select count(*) from order_items oi, (values (0), (0)) v (x) where case when oi.sku like 'a%' then 1 / v.x else 1 end = 1

with z as (select 0 as x offset 0) select count(*) from order_items oi, z where case when oi.sku like 'a%' then 1 / z.x else 1 end = 1

select count(s.k) from order_items oi, lateral (select oi.id as k limit oi.qty - 100) s where s.k = oi.qty

select 1 from order_items t, coalesce(1 / t.qty) c

select count(*) from customers where name = secret

select 1 from orders where note::int = 1

select 1 from orders group by note having note::int = 1

select 1 from orders o join customers c on o.id / c.id = 1

select 1 from orders where id / 0 = 1 and note like 'x%'
