-- What is odd about the data, counted: each line is a place where a careless query goes wrong without an error.
--
-- In:  flights, weather, planes, airports: every column text; cleaned: the cleaned flights; observations: the cleaned
--      weather; features.
-- Out: fact, rows; in the order below.
with flight_facts as (
    select
        count(*) as flights,
        count(*) filter (where dep_time = 'NA') as flights_cancelled,
        count(*) filter (where dep_time <> 'NA' and arr_delay = 'NA') as flights_that_landed_elsewhere,
        count(*) filter (where tailnum = 'NA') as flights_without_tail_number,
        count(*) filter (where tailnum not in (select tailnum from planes)) as flights_by_unlisted_planes,
        count(*) filter (where dest not in (select faa from airports)) as flights_to_unlisted_airports,
        count(*) filter (where dep_time = '2400') as departures_at_2400,
        count(*) filter (where arr_time = '2400') as arrivals_at_2400,
        count(*) filter (
            where
            cast(cast(time_hour as timestamp) as date)
            <> make_date(cast(year as bigint), cast(month as bigint), cast(day as bigint))
        ) as departures_of_another_day_in_utc
    from flights
),

clock_facts as (
    select
        count(*) filter (
            where
            cast(dep_at at time zone 'UTC' at time zone 'America/New_York' as date) <> make_date(2013, month, day)
        ) as departures_after_midnight,
        count(*) filter (
            where
            cast(arr_at at time zone 'UTC' at time zone dest_zone as date)
            > cast(dep_at at time zone 'UTC' at time zone dest_zone as date)
        ) as arrivals_after_midnight,
        -- In March a flight landed at 2:03 by a clock that went from 1:59 to 3:00.
        count(*) filter (
            where arr_clock % 2400 <> cast(strftime(arr_at at time zone 'UTC' at time zone dest_zone, '%H%M') as integer)
        ) as arrivals_at_a_time_that_never_was,
        -- In November the hour from 1:00 came twice; two instants an hour apart have the same time of day.
        count(*) filter (
            where
            arr_at at time zone 'UTC' at time zone dest_zone in (
                (arr_at + interval 1 hour) at time zone 'UTC' at time zone dest_zone,
                (arr_at - interval 1 hour) at time zone 'UTC' at time zone dest_zone
            )
        ) as arrivals_at_a_time_that_came_twice
    from cleaned
),

weather_facts as (
    select
        count(*) as weather_hours,
        count(*) - count(distinct (origin, year, month, day, hour)) as weather_hours_told_twice_by_the_clock,
        count(*) filter (where wind_speed = 'NA') as weather_hours_without_wind,
        count(*) filter (where try_cast(wind_speed as double) > 253) as weather_hours_with_an_impossible_wind
    from weather
),

gap_facts as (
    select sum(hours - told) as weather_hours_missing
    from (
        select
            date_diff('hour', min(observed_hour), max(observed_hour)) + 1 as hours,
            count(*) as told
        from observations
        group by origin
    )
),

plane_facts as (
    select
        count(*) as planes,
        count(*) filter (where year = 'NA') as planes_of_unknown_age
    from planes
),

feature_facts as (
    select
        count(*) as flights_with_an_outcome,
        count(*) filter (where is_late) as flights_late,
        count(*) filter (where temperature_f is null) as outcomes_without_weather_before,
        count(*) filter (where plane_type = 'unknown') as outcomes_of_unlisted_planes,
        count(*) filter (where previous_minutes_since is null) as outcomes_without_a_previous_leg
    from features
),

facts as (
    select *
    from flight_facts, clock_facts, weather_facts, gap_facts, plane_facts, feature_facts
)

unpivot (select columns(*)::bigint from facts) on columns(*) into name fact value rows
