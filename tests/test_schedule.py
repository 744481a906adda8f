"""Opening hours: by the clock on the wall, whatever is done to it, and mistakes that say what would be right."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calltransfer import ConfigurationError
from calltransfer import schedule as clock
from calltransfer.schedule import Schedule

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = Schedule(
    "America/New_York",
    {"mon-fri": "09:00-12:00, 13:00-17:00", "sat": "22:00-06:00"},
    exceptions={"2026-12-25": "closed", date(2026, 12, 27): "10:00-11:00"},
)
CHANGING = (
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Beirut",
)
"""Zones whose clocks are changed: by half an hour on Lord Howe, at midnight in Beirut."""


def there(text: str, zone: str = "America/New_York", *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-11-23 08:59:59", False),
        ("2026-11-23 09:00", True),
        ("2026-11-23 12:00", False),
        ("2026-11-23 13:00", True),
        ("2026-11-23 16:59:59.999999", True),
        ("2026-11-23 17:00", False),
        ("2026-11-28 21:59", False),
        ("2026-11-28 23:00", True),
        ("2026-11-29 05:59", True),
        ("2026-11-29 06:00", False),
        ("2026-11-29 23:00", False),
        ("2026-12-25 10:00", False),
        ("2026-12-27 10:30", True),
        ("2026-12-27 05:00", True),
    ],
)
def test_hours_breaks_nights_and_exceptions(at: str, is_open: bool) -> None:
    """A span begins with its first minute and ends before its last; a night is open until the morning after it."""
    assert is_open is OFFICE.is_open(there(at))
    assert is_open is OFFICE.is_open(there(at).astimezone(UTC))
    assert is_open is OFFICE.is_open(there(at).astimezone(ZoneInfo("Asia/Tokyo")))


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-23 08:00", "2026-11-23 09:00"),
        ("2026-11-23 10:00", "2026-11-23 10:00"),
        ("2026-11-23 12:30", "2026-11-23 13:00"),
        ("2026-11-27 17:00", "2026-11-28 22:00"),
        ("2026-12-24 18:00", "2026-12-26 22:00"),
        ("2026-12-27 07:00", "2026-12-27 10:00"),
    ],
)
def test_when_it_opens_next(at: str, opens: str) -> None:
    """The next opening is found over nights, weekends and exceptions."""
    assert there(opens) == OFFICE.opens_next(there(at))


def test_what_never_opens() -> None:
    """A schedule without hours is never open, and one whose last exception is over has no next opening."""
    assert Schedule("UTC", {}).opens_next(datetime(2026, 1, 1, tzinfo=UTC)) is None
    once = Schedule("UTC", {}, exceptions={"2031-05-01": "09:00-10:00"})
    assert once.opens_next(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2031, 5, 1, 9, tzinfo=UTC)
    assert once.opens_next(datetime(2031, 5, 1, 10, tzinfo=UTC)) is None
    assert OFFICE.opens_next(datetime(9999, 12, 30, tzinfo=UTC)) is None


def test_an_hour_that_is_skipped() -> None:
    """Where the clock jumps from 2 to 3, a span within is never open, and one that begins within begins at 3."""
    within = Schedule("America/New_York", {"sun": "02:15-02:45"})
    assert within.opens_next(there("2026-03-08 00:00")) == there("2026-03-15 02:15")
    beginning_within = Schedule("America/New_York", {"sun": "02:30-06:00"})
    assert beginning_within.opens_next(there("2026-03-08 00:00")) == there("2026-03-08 03:00")
    assert not beginning_within.is_open(there("2026-03-08 01:59:59"))


def test_an_hour_that_comes_twice() -> None:
    """Where the clock goes back from 2 to 1, half past one is within the hours both times."""
    early = Schedule("America/New_York", {"sun": "01:30-02:00"})
    first, second = there("2026-11-01 01:30"), there("2026-11-01 01:30", fold=1)
    assert timedelta(hours=1) == second.astimezone(UTC) - first.astimezone(UTC)
    assert first == early.opens_next(there("2026-11-01 00:00"))
    assert early.is_open(first)
    assert early.is_open(second)
    again = early.opens_next(first.astimezone(UTC) + timedelta(minutes=30))
    assert again is not None
    assert second.astimezone(UTC) == again.astimezone(UTC)


def test_office_hours_stay_where_they_are_when_the_clock_is_changed() -> None:
    """Nine o'clock is nine o'clock, in summer and in winter, though it is another moment for everybody else."""
    for monday, utc_hour in (("2026-03-02", 14), ("2026-03-09", 13), ("2026-10-26", 13), ("2026-11-02", 14)):
        opens = OFFICE.opens_next(there(f"{monday} 00:00"))
        assert opens is not None
        assert (9, utc_hour) == (opens.hour, opens.astimezone(UTC).hour)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any schedule, with its hours at most on the quarter of an hour."""

    def hours() -> str:
        ends = draw(st.lists(st.integers(0, 95), min_size=2, max_size=4, unique=True).filter(lambda n: len(n) % 2 == 0))
        times = [f"{quarter // 4:02}:{quarter % 4 * 15:02}" for quarter in sorted(ends)]
        spans = [f"{begin}-{end}" for begin, end in zip(times[::2], times[1::2], strict=True)]
        over_midnight = draw(st.booleans())
        return f"{times[-1]}-{times[0]}" if over_midnight else ", ".join(spans)

    days = draw(st.lists(st.sampled_from(clock.DAYS), unique=True, max_size=7))
    dates = draw(st.lists(st.dates(date(2026, 3, 1), date(2026, 11, 30)), unique=True, max_size=3))
    return Schedule(
        draw(st.sampled_from(CHANGING)),
        {day: draw(st.sampled_from(["closed", "00:00-24:00", hours()])) for day in days},
        exceptions={day: draw(st.sampled_from(["closed", "00:00-24:00", hours()])) for day in dates},
    )


MOMENTS = st.datetimes(datetime(2026, 2, 1), datetime(2026, 11, 30), timezones=st.just(UTC))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(schedules(), MOMENTS)
@example(Schedule("America/New_York", {"sun": "00:30-01:15"}), datetime(2026, 11, 1, 5, 20, tzinfo=UTC))
@example(Schedule("America/St_Johns", {"sat": "23:30-24:00"}), datetime(2010, 11, 7, 0, 0, tzinfo=UTC))
@example(Schedule("Pacific/Apia", {"mon-sun": "09:00-17:00"}), datetime(2011, 12, 29, 0, 0, tzinfo=UTC))
@example(Schedule("Pacific/Apia", {"fri": "09:00-17:00"}), datetime(2011, 12, 29, 0, 0, tzinfo=UTC))
@example(Schedule("Asia/Beirut", {"sun": "00:00-00:30"}), datetime(2026, 3, 28, 12, 0, tzinfo=UTC))
@example(Schedule("Australia/Lord_Howe", {"sun": "01:30-02:10"}), datetime(2026, 4, 4, 14, 0, tzinfo=UTC))
def test_it_is_closed_until_it_opens_next(schedule: Schedule, at: datetime) -> None:
    """Whatever the hours and whatever is done to the clock: nothing before the next opening is open, and it is."""
    opens = schedule.opens_next(at)
    if opens is not None:
        assert schedule.is_open(opens)
        assert opens >= at
    until = min(opens or at + timedelta(days=16), at + timedelta(days=16)).astimezone(UTC)
    moment = at
    while moment < until:
        assert not schedule.is_open(moment)
        moment = min(moment + timedelta(minutes=5), until)
    if opens is not None and opens > at:
        assert not schedule.is_open(opens.astimezone(UTC) - timedelta(microseconds=1))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})), MOMENTS)
def test_every_zone_is_read_by_its_own_clock(zone: str, at: datetime) -> None:
    """In every zone there is, it is open exactly while the clock on its wall shows nine to five."""
    wall = at.astimezone(ZoneInfo(zone))

    assert (9 <= wall.hour < 17) is Schedule(zone, {"mon-sun": "09:00-17:00"}).is_open(at)


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("sat-mon", {5, 6, 0}),
        ("mon, Wed ,sunday", {0, 2, 6}),
        ("mon-tue,thu-fri", {0, 1, 3, 4}),
        ("wed-wed", {2}),
    ],
)
def test_how_days_are_written(written: str, days: set[int]) -> None:
    """Days are single, spans that may go over the weekend, and lists of both."""
    schedule = Schedule("UTC", {written: "00:00-24:00"})
    week = [datetime(2026, 11, 23, tzinfo=UTC) + timedelta(days=number) for number in range(7)]

    assert days == {at.weekday() for at in week if schedule.is_open(at)}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            {"time_zone": "America/NewYork"},
            r"time_zone= 'America/NewYork' is no time zone; did you mean 'America/New_York'\?",
        ),
        ({"time_zone": "Berlin"}, r"did you mean 'Europe/Berlin'\?"),
        ({"time_zone": "new york"}, r"did you mean 'America/New_York'\?"),
        ({"time_zone": "europe/berlin "}, r"did you mean 'Europe/Berlin'\?"),
        ({"time_zone": "Germany/Berlin"}, r"did you mean 'Europe/Berlin'\?"),
        ({"time_zone": "Europe/Berlim"}, r"did you mean 'Europe/Berlin'\?"),
        ({"time_zone": "America"}, "is no time zone"),
        ({"time_zone": "../../etc/passwd"}, "write a name of the IANA database"),
        ({"time_zone": "W. Europe Standard Time"}, "write a name of the IANA database, such as 'Europe/Berlin'"),
        ({"time_zone": 1}, "time_zone= 1 is no time zone"),
        ({"weekly": "mon-fri"}, "weekly= takes days and hours"),
        ({"exceptions": ["2026-12-25"]}, "exceptions= takes days and hours"),
        ({"weekly": {"mon-fry": "closed"}}, r"'mon-fry': 'fry' is no day of the week; did you mean 'fri'\?"),
        ({"weekly": {"weekdays": "closed"}}, "'weekdays' is no day of the week"),
        ({"weekly": {"xyz": "closed"}}, "write days such as 'mon', 'mon-fri' or 'sat,sun'"),
        ({"weekly": {1: "closed"}}, "weekly= 1 is no day"),
        ({"weekly": {"mon-fri": "closed", "fri": "closed"}}, "'fri' and 'mon-fri' both name 'fri'; name it once"),
        ({"weekly": {"mon": "9-17"}}, "weekly= 'mon': '9-17' is no span of hours; write '09:00-17:00'"),
        ({"weekly": {"mon": "9am-5pm"}}, "'9am-5pm' is no span"),
        ({"weekly": {"sat": "10:00-14.00"}}, "'10:00-14.00' is no span of hours"),
        ({"weekly": {"sat": "10.00 am to 2.00 pm"}}, "'10.00 am to 2.00 pm' is no span of hours"),
        ({"weekly": {"sat": "+14155550123"}}, r"'\+?\*\*\*0123' is no span of hours"),
        ({"weekly": {"mon": True}}, "weekly= 'mon': True are no hours"),
        ({"weekly": {"mon": "09:00-24:30"}}, "'09:00-24:30' has a time that does not exist"),
        ({"weekly": {"mon": "09:60-12:00"}}, "'09:60-12:00' has a time that does not exist"),
        ({"weekly": {"mon": "24:00-02:00"}}, "has a time that does not exist"),
        ({"weekly": {"mon": "09:00-09:00"}}, "has no length; write '00:00-24:00'"),
        ({"weekly": {"mon": "09:00-13:00, 12:00-17:00"}}, "overlap; write each hour once"),
        ({"exceptions": {"2026-02-30": "closed"}}, "exceptions= '2026-02-30' is no date: day"),
        ({"exceptions": {"25.12.2026": "closed"}}, "write year-month-day, such as '2026-12-25'"),
        ({"exceptions": {datetime(2026, 12, 25, tzinfo=UTC): "closed"}}, "is no date"),
        ({"exceptions": {"2026-12-25": "closed", date(2026, 12, 25): "closed"}}, "2026-12-25 twice"),
        ({"exceptions": {"2026-12-25": "shut"}}, "exceptions= '2026-12-25': 'shut' is no span of hours"),
    ],
)
def test_mistakes_say_what_would_be_right(arguments: dict[str, Any], why: str) -> None:
    """Every mistake names the day and the value, and the nearest that would be right."""
    with pytest.raises(ConfigurationError) as raised:
        Schedule(**{"time_zone": "UTC", "weekly": {}, **arguments})

    assert re.search(why, str(raised.value)), str(raised.value)


def test_a_schedule_is_a_value() -> None:
    """Two that say the same are equal, and what one was made from may change afterwards."""
    weekly = {"mon": "09:00-17:00"}
    schedule = Schedule("UTC", weekly)

    assert Schedule("UTC", {"mon": "09:00-17:00"}) == schedule
    assert hash(Schedule("UTC", {"mon": "09:00-17:00"})) == hash(schedule)
    weekly["tue"] = "nonsense"
    assert {"mon": "09:00-17:00"} == schedule.weekly


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), "2026-01-01", None])
def test_a_moment_has_a_time_zone(at: Any) -> None:
    """A moment without its zone is refused: it could be anybody's."""
    with pytest.raises(ValueError, match="with its time zone"):
        OFFICE.is_open(at)
    with pytest.raises(ValueError, match="with its time zone"):
        OFFICE.opens_next(at)


def test_the_clock() -> None:
    """The one place that is asked for the time says it with its zone."""
    assert clock.now().utcoffset() == timedelta()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
