-- One row per flight with a known outcome: the outcome, and what is known of it before its scheduled departure.
--
-- In:  flights, weather, previous_legs, airport_states, cleaned; planes: every column text, 'NA' where unknown.
-- Out: ordered by flight_id. NULL is unknown. Flights that were cancelled or landed elsewhere have no arrival delay and
--      are left out here, and only here: others have seen them wait.
with aircraft as (
    select
        tailnum,
        -- planes.year is the year it was built; flights has a year too, which is 2013.
        2013 - cast(nullif(year, 'NA') as integer) as plane_age,
        cast(seats as integer) as plane_seats,
        cast(engines as integer) as plane_engines,
        type as plane_type
    from planes
),

-- The last observation of an hour that was over when the flight was scheduled to leave: mostly that of the hour before.
-- One of the departure's own hour may be newer than the departure. After a gap of three hours the weather is unknown.
weather_before as (
    select flights.flight_id, weather.* exclude (origin, observed_hour)
    from flights
    asof inner join weather
        on weather.origin = flights.origin
        and weather.observed_hour <= date_trunc('hour', flights.sched_dep_at) - interval 1 hour
    where weather.observed_hour >= date_trunc('hour', flights.sched_dep_at) - interval 3 hours
)

select
    flights.flight_id,
    flights.month,
    flights.arr_delay > 15 as is_late,

    -- The schedule: published weeks ahead.
    flights.carrier,
    flights.origin,
    flights.dest,
    dayname(make_date(2013, flights.month, flights.day)) as weekday,
    flights.sched_dep_minute / 1440 as day_fraction,
    sin(2 * pi() * flights.sched_dep_minute / 1440) as day_sin,
    cos(2 * pi() * flights.sched_dep_minute / 1440) as day_cos,
    sin(4 * pi() * flights.sched_dep_minute / 1440) as half_day_sin,
    cos(4 * pi() * flights.sched_dep_minute / 1440) as half_day_cos,
    flights.distance,
    date_diff('minute', flights.sched_dep_at, flights.sched_arr_at) as sched_minutes,
    -- Minutes that the schedule leaves over a cruise at 8 miles a minute.
    date_diff('minute', flights.sched_dep_at, flights.sched_arr_at) - flights.distance / 8 as padding_minutes,

    -- The aircraft: known when it was assigned. The data tell the aircraft that flew; one exchanged in the last hour is not
    -- told apart. One flight in six is by an aircraft that planes does not list: its type is its own category.
    aircraft.plane_age,
    aircraft.plane_seats,
    aircraft.plane_engines,
    coalesce(aircraft.plane_type, 'unknown') as plane_type,

    -- The weather one hour earlier.
    weather_before.temperature_f,
    weather_before.humidity_percent,
    weather_before.wind_mph,
    weather_before.wind_mph * sin(radians(weather_before.wind_from_degrees)) as wind_from_east,
    weather_before.wind_mph * cos(radians(weather_before.wind_from_degrees)) as wind_from_north,
    weather_before.gust_mph,
    weather_before.rain_inches,
    ln(1 + 50 * weather_before.rain_inches) as rain_log,
    weather_before.pressure_mbar,
    weather_before.visibility_miles,

    -- The aircraft's previous leg: what was known at the scheduled departure (previous_legs.sql).
    previous_legs.minutes_since as previous_minutes_since,
    previous_legs.dep_delay as previous_dep_delay,
    previous_legs.arr_delay as previous_arr_delay,
    previous_legs.late_minutes as previous_late_minutes,
    previous_legs.slack_minutes as previous_slack_minutes,
    previous_legs.short_minutes as previous_short_minutes,
    previous_legs.missing_minutes as previous_missing_minutes,

    -- The airports: events before the scheduled departure (airport_states.sql).
    airport_states.* exclude (flight_id)
from flights
left join aircraft on aircraft.tailnum = flights.tailnum
left join weather_before on weather_before.flight_id = flights.flight_id
left join previous_legs on previous_legs.flight_id = flights.flight_id
left join airport_states on airport_states.flight_id = flights.flight_id
where flights.arr_delay is not null
order by flights.flight_id
