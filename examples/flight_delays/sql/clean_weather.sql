-- Hourly weather with typed columns; time_hour, in UTC, becomes observed_hour.
--
-- In:  weather: every column text, 'NA' where unknown.
-- Out: one row per airport and hour. Hours without a row are missing here too: who joins decides what a gap means.
select
    origin,
    cast(time_hour as timestamp) as observed_hour,
    cast(nullif(temp, 'NA') as double) as temperature_f,
    cast(nullif(humid, 'NA') as double) as humidity_percent,
    cast(nullif(wind_dir, 'NA') as double) as wind_from_degrees,
    -- One row says 1048 mph. The strongest wind ever measured on the ground was 253 mph: above that it is unknown.
    case
        when cast(nullif(wind_speed, 'NA') as double) <= 253 then cast(nullif(wind_speed, 'NA') as double)
    end as wind_mph,
    cast(nullif(wind_gust, 'NA') as double) as gust_mph,
    cast(nullif(precip, 'NA') as double) as rain_inches,
    cast(nullif(pressure, 'NA') as double) as pressure_mbar,
    cast(nullif(visib, 'NA') as double) as visibility_miles
from weather
order by origin, observed_hour
