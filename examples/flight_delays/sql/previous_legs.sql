-- What is known about an aircraft's previous leg when its next flight is scheduled to leave.
--
-- In:  flights, cleaned.
-- Out: one row per flight whose aircraft left New York in the 24 hours before; no row, nothing known.
--
-- No hindsight: an event counts when it happened before the scheduled departure of the flight it is told about, and
-- lateness is what could be said at that minute, not what it came to.
with legs as (
    select
        flight_id,
        sched_dep_at,
        lag(sched_dep_at) over aircraft as previous_sched_dep_at,
        lag(date_diff('minute', sched_dep_at, sched_arr_at)) over aircraft as previous_minutes,
        lag(dep_at) over aircraft as previous_dep_at,
        lag(arr_at) over aircraft as previous_arr_at,
        lag(dep_delay) over aircraft as previous_dep_delay,
        lag(arr_delay) over aircraft as previous_arr_delay
    from flights
    where tailnum is not null
    window aircraft as (partition by tailnum order by sched_dep_at, flight_id)
),

known as (
    select
        flight_id,
        date_diff('minute', previous_sched_dep_at, sched_dep_at) as minutes_since,
        previous_minutes,
        -- Known once the previous leg has left, and once it has landed; NULL before, and for ever if it was cancelled.
        case when previous_dep_at < sched_dep_at then previous_dep_delay end as dep_delay,
        case when previous_arr_at < sched_dep_at then previous_arr_delay end as arr_delay
    from legs
    where previous_sched_dep_at >= sched_dep_at - interval 24 hours
),

judged as (
    select
        *,
        -- The latest news of how late the aircraft is. One that has not left is late by all the time since it should have.
        coalesce(arr_delay, dep_delay, minutes_since) as late_minutes,
        -- What the schedule leaves after flying out and back (the way back is not in the data) and an hour on the ground.
        minutes_since - 2 * previous_minutes - 60 as slack_minutes
    from known
)

select
    flight_id,
    minutes_since,
    dep_delay,
    arr_delay,
    late_minutes,
    slack_minutes,
    late_minutes - slack_minutes as short_minutes,
    greatest(late_minutes - slack_minutes, 0) as missing_minutes
from judged
