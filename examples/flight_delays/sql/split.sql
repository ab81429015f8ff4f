-- The flights of some months. In time, not at random: a random split would let a model look at the day it is asked about.
select *
from features
where month between $first_month and $last_month
order by flight_id
