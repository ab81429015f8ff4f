-- What happened and what was expected, for each carrier and month.
--
-- In:  predictions: month, carrier, is_late, probability.
-- Out: late_share and expected_share are comparable; brier beside constant_brier says what the model adds.
select
    month,
    carrier,
    count(*) as flights,
    avg(cast(is_late as integer)) as late_share,
    avg(probability) as expected_share,
    avg((probability - cast(is_late as integer)) ** 2) as brier,
    avg(cast(is_late as integer)) * (1 - avg(cast(is_late as integer))) as constant_brier
from predictions
group by month, carrier
order by month, carrier
