select * from payroll

select * from nowhere

select * from pg_authid

select ssn from employees

select * from employees e where e.salary > 1

update employees set ssn = 'x'

update employees set salary = 1

delete from employees

insert into regions values ('x', 'y')

select pg_read_file('x')

select 1 from customers where secret <<<> 'x'

select 'x'::regclass

merge into orders using customers on false when not matched then do nothing

do $$ begin end $$

lock table orders

set role postgres

set standard_conforming_strings = off

select * into x from orders

create table x (a int)

select 1 from customers c where (c).name_up = 'x'

select set_config('a', 'b', true)

select * from customers where

select * from pgcordon_scan

select 1 from customers pgcordon_row

copy customers from stdin

copy orders from '/tmp/x'

copy orders from program 'x'

copy order_items from stdin

copy payroll from stdin

copy regions from stdin

copy orders from stdin (on_error ignore)

copy orders from stdin (encoding 'latin1')

copy orders from stdin where exists (select 1 from customers)

copy orders (id, nothing) from stdin

copy customers to '/tmp/x'

explain select 1

listen x

select * from other.public.customers

select U&"n!0061me" UESCAPE '!' from customers

select f(1)

select row_to_json(jsonb_populate_record(null::employees, '{}'))

select pg_advisory_lock(1)

close c

select row_to_json(o.*), ctid from orders o

select * from (orders o join regions r on o.ctid is not null) as j

select * from orders natural join regions where orders.ctid is not null

select (x.a).name from (select row(1, 2) as a) x

select (x.a).regclass from (select 'payroll' as a) x

select (e).ssn from employees e

select (e).* from employees e

copy binary orders to stdout

copy orders (id) to stdout using delimiters '|'

copy orders to stdout delimiters '|'
