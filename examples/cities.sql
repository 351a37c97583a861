create table city(name text, country text, people integer);
insert into city values
  ('Tokyo', 'Japan', 37400068), ('Delhi', 'India', 28514000), ('Mumbai', 'India', 19980000), ('Osaka', 'Japan', 19281000);
select country, count(*) as cities, sum(people) as people from city group by country order by people desc;
