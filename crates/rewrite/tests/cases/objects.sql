lock table orders in row exclusive mode

lock only orders, public.customers in row exclusive mode nowait

lock table regions in row exclusive mode

lock table regions in access share mode

lock table payroll in access share mode

lock table v_orders in access share mode

lock pg_class

truncate orders

truncate table only order_items restart identity

truncate order_items cascade

truncate order_items, payroll

truncate regions

truncate v_orders
