-- The state of airports and carriers in the two hours before each scheduled departure, as sums over a moving window.
--
-- In:  flights, cleaned.
-- Out: one row per flight.
--
-- No hindsight: everything is an event with the minute from which it is known, and the window ends with the minute of the
-- scheduled departure. What happens in a minute is known from the next one on. A flight that leaves early counts from its
-- scheduled minute on, so that no flight is ever part of its own window.
with departures as (
    -- Schedules are known long before: a flight waits from its scheduled minute until it leaves. The rows with a flight_id
    -- are also those that ask: what is known at this minute?
    select flight_id, origin, dest, carrier, sched_dep_at as known_at, 1 as waiting, null as dep_delay
    from flights
    union all
    select null, origin, dest, carrier, greatest(dep_at, sched_dep_at) + interval 1 minute, -1, dep_delay
    from flights
    where dep_at is not null
),

arrivals as (
    select flight_id, origin, dest, carrier, sched_dep_at as known_at, null as arr_delay
    from flights
    union all
    select null, origin, dest, carrier, greatest(arr_at, sched_dep_at) + interval 1 minute, arr_delay
    from flights
    where arr_at is not null
),

departure_states as (
    select
        flight_id,
        -- From this airport, by anyone and by this carrier; and from New York to the same destination.
        sum(waiting) over airport as airport_waiting,
        avg(dep_delay) over airport as airport_delay,
        avg(cast(dep_delay > 15 as integer)) over airport as airport_late_share,
        avg(dep_delay) over airport_just_now as airport_delay_just_now,
        sum(waiting) over carrier_here as carrier_waiting,
        avg(dep_delay) over carrier_here as carrier_delay,
        sum(waiting) over destination as destination_waiting,
        avg(dep_delay) over destination as destination_delay
    from departures
    window
        airport as (partition by origin order by known_at range between interval 2 hours preceding and current row),
        airport_just_now as (
            partition by origin order by known_at range between interval 30 minutes preceding and current row
        ),
        carrier_here as (
            partition by origin, carrier order by known_at range between interval 2 hours preceding and current row
        ),
        destination as (partition by dest order by known_at range between interval 2 hours preceding and current row)
),

arrival_states as (
    select
        flight_id,
        -- Flights from New York that landed: at the same destination; anywhere, of this carrier or from this airport.
        avg(arr_delay) over destination as destination_landed_delay,
        avg(arr_delay) over carrier_anywhere as carrier_landed_delay,
        avg(arr_delay) over airport as airport_landed_delay
    from arrivals
    window
        destination as (partition by dest order by known_at range between interval 2 hours preceding and current row),
        carrier_anywhere as (
            partition by carrier order by known_at range between interval 2 hours preceding and current row
        ),
        airport as (partition by origin order by known_at range between interval 2 hours preceding and current row)
)

select
    flight_id,
    cast(airport_waiting as integer) as airport_waiting,
    airport_delay,
    airport_late_share,
    airport_delay_just_now,
    airport_landed_delay,
    cast(carrier_waiting as integer) as carrier_waiting,
    carrier_delay,
    cast(destination_waiting as integer) as destination_waiting,
    destination_delay,
    destination_landed_delay,
    carrier_landed_delay
from departure_states inner join arrival_states using (flight_id)
where flight_id is not null
order by flight_id
