-- How good are probabilities? One row, from window sums over the flights in order of their probability.
--
-- In:  predictions: is_late, probability.
-- Out: flights, and
--      late_share         how many were late: what a constant guess would say
--      auc                the chance that a late flight has a higher probability than one on time; ties count half
--      average_precision  the precision at each probability, weighted by the recall that is gained there
--      brier              the mean squared error of the probability
--      constant_brier     the same for the constant guess
with by_probability as (
    select probability, count(*) as flights, count(*) filter (where is_late) as late
    from predictions
    group by probability
),

running as (
    select
        flights,
        late,
        sum(flights) over from_the_top as flights_so_far,
        sum(late) over from_the_top as late_so_far
    from by_probability
    window from_the_top as (order by probability desc)
),

ranked as (
    select
        sum((flights - late) * (late_so_far - late / 2)) as pairs_in_order,
        sum(late * late_so_far / flights_so_far) as precision_sum
    from running
),

total as (
    select
        count(*) as flights,
        count(*) filter (where is_late) as late,
        avg((probability - cast(is_late as integer)) ** 2) as brier
    from predictions
)

select
    flights,
    late / flights as late_share,
    pairs_in_order / nullif(late * (flights - late), 0) as auc,
    precision_sum / nullif(late, 0) as average_precision,
    brier,
    (late / flights) * (1 - late / flights) as constant_brier
from total cross join ranked
