-- Flights with typed columns and every instant in UTC. One row per flight; cancelled flights stay.
--
-- In:  flights, airports: every column text, 'NA' where unknown.
-- Out: one row per flight, ordered by flight_id, which counts flights in order of their scheduled departure.
--
-- A casting error stops the query: nothing but 'NA' is taken for unknown.
with typed as (
    select
        cast(month as integer) as month,
        cast(day as integer) as day,
        carrier,
        cast(flight as integer) as flight,
        nullif(tailnum, 'NA') as tailnum,
        origin,
        dest,
        cast(distance as integer) as distance,
        -- Local clock in New York, and the same instant in UTC: time_hour is UTC although hour beside it is local.
        cast(hour as integer) * 60 + cast(minute as integer) as sched_dep_minute,
        cast(time_hour as timestamp) + to_minutes(cast(minute as integer)) as sched_dep_at,
        -- Clocks are numbers such as 830 for 8:30, local where the flight lands; 2400 is midnight.
        cast(sched_arr_time as integer) as sched_arr_clock,
        cast(nullif(arr_time, 'NA') as integer) as arr_clock,
        -- Unknown when the flight was cancelled.
        cast(nullif(dep_delay, 'NA') as integer) as dep_delay,
        -- Unknown when it was cancelled or landed elsewhere.
        cast(nullif(arr_delay, 'NA') as integer) as arr_delay
    from flights
),

zones as (
    select
        dests.dest as place,
        coalesce(
            nullif(airports.tzone, 'NA'),
            -- Four destinations that airports does not list; all keep Puerto Rico's time.
            case when dests.dest in ('BQN', 'PSE', 'SJU', 'STT') then 'America/Puerto_Rico' end,
            error('no time zone is known for ' || dests.dest)
        ) as dest_zone
    from (select distinct dest from typed) as dests
    left join airports on airports.faa = dests.dest
),

-- When the flight leaves, on the clock of the place it flies to.
there as (
    select
        typed.*,
        dest_zone,
        sched_dep_at at time zone 'UTC' at time zone dest_zone as sched_dep_there
    from typed inner join zones on zones.place = typed.dest
),

-- The scheduled arrival has no date: it is the first time that the clock there shows it after the departure.
landing as (
    select
        *,
        case
            when today > sched_dep_there then today
            else today + interval 1 day
        end as sched_arr_there
    from (
        select
            *,
            date_trunc('day', sched_dep_there) + to_minutes(sched_arr_clock // 100 * 60 + sched_arr_clock % 100) as today
        from there
    )
),

instants as (
    select
        *,
        sched_arr_there at time zone dest_zone at time zone 'UTC' as sched_arr_at
    from landing
)

select
    row_number() over (order by sched_dep_at, carrier, flight, origin) as flight_id,
    month,
    day,
    carrier,
    flight,
    tailnum,
    origin,
    dest,
    distance,
    sched_dep_minute,
    sched_dep_at,
    sched_arr_at,
    -- The delays are exact over midnight and over the change of clocks; the clocks themselves are not.
    sched_dep_at + to_minutes(dep_delay) as dep_at,
    sched_arr_at + to_minutes(arr_delay) as arr_at,
    dep_delay,
    arr_delay,
    arr_clock,
    dest_zone
from instants
order by flight_id
