update v_orders set note = 'x' where id = 1

update v_orders set note = 'x'

update public.v_orders as v set note = v.note || 'x' where v.note like 'a%' and v.id / 2 = 1 returning v.id, v.*

update only v_orders set (note, id) = ('x', 2)

insert into v_orders values (1, 'x') returning *

insert into v_orders (note, id) select 'x', id from customers

insert into v_orders default values

delete from v_orders returning v_orders

delete from v_orders where id in (select id from v_orders where note = 'x')

update v_renamed set region = 'x' where no = 1 and twice > 2 returning twice, who, region::text

update v_renamed set region = (select region from (select v_renamed.region) s)

update v_renamed set region = (select amount from (select v_renamed.region as amount) s)

update v_renamed set region = (select amount from (select v_renamed.region) s)

update v_renamed set twice = 1

insert into v_renamed values (1, 'x', 2)

insert into v_renamed (no, region) values (1, 'North')

update v_renamed set region = 'x' from order_items i where order_id = v_renamed.no

update v_renamed set region = 'x' from customers c where owner = 'x' and name = 'y'

update v_renamed set region = 'x' from customers where customers.name = amount::text

update v_renamed set region = 'x' where ctid = '(0,1)'

update v_nested set amount = 'x' where number = 7 returning *

insert into v_nested (number, amount) values (1, $1)

with w as (update v_nested set amount = 'x' returning number, amount) select * from w

update v_orders set note = 'x' from customers c where c.id = v_orders.id returning *

update v_employees set email = 'x' where id = 1

delete from v_employees where email = 'x'

delete from v_grouped

update v_grouped set region = 'x'

insert into v_ruled values (1)

delete from v_ruled

delete from v_payroll

insert into v_orders values (1, 'x') on conflict do nothing

update v_orders set note = 'x' where current of c

copy v_orders from stdin

update employees set name = (select email from (select employees.email) s), region = lower(email) returning email::text, name

update orders set note = $1, (amount, region) = (amount + 1, default) where current of c returning id

update orders set (note, amount) = (select 'x', 1) where current of c

update orders set note = default where current of c
