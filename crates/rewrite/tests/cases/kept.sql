declare c cursor for select * from orders

declare c binary insensitive no scroll cursor with hold for select id from customers where region = 'x' order by id

declare c scroll cursor for select o.id from v_orders o

declare c cursor for select 1 from payroll

declare c cursor for select ssn from employees

declare c cursor for with w as (delete from orders returning id) select * from w

declare pgcordon_c cursor for select 1

fetch c

fetch backward all from c; move forward 5 in c; fetch absolute -1 c; close c; close all

fetch pgcordon_c

prepare p as select * from orders where id = $1

prepare p (int, text) as update orders set note = $2 where id = $1 returning id

prepare p (int) as insert into orders (id, region) values ($1, 'South')

prepare p as select * from payroll

prepare p (regclass) as select $1

prepare p as select pg_read_file('x')

prepare p (int) as select * from orders where id = $1; execute p(1); deallocate p

execute p(1, upper('x'), '2'::int)

execute p((select max(id) from payroll))

execute p(pg_read_file('x'))

execute p('payroll'::regclass)

set search_path = public; prepare p as select * from orders

explain select * from orders

explain (analyze, format json) delete from orders where id = 1

explain verbose update customers set name = 'x'

explain execute p

explain analyze select * from payroll

set constraints all deferred

set constraints orders_fk deferred

listen x

unlisten *

vacuum orders

set transaction snapshot 'x'

checkpoint
