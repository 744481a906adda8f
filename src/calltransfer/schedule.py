"""When somebody can be reached: opening hours by the clock on the wall of a time zone. Values, no I/O but the clock."""

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import attrs

from calltransfer.errors import ConfigurationError
from calltransfer.masking import shown

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY_NAMES: Final = {
    name: number
    for number, names in enumerate(
        zip(DAYS, ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), strict=True)
    )
    for name in names
}
_MIDNIGHT: Final = 24 * 60
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", re.ASCII)
_NEARLY_SPAN = re.compile(r"\d{1,2}[:.h]\d{2} ?(?:[ap]m)? *(?:-|–|—|to) *\d{1,2}[:.h]\d{2} ?(?:[ap]m)?", re.ASCII)
_CLOSED: Final = "closed"
_LATEST: Final = date(9990, 1, 1)
"""Nothing opens later: the calendar of a computer ends ten years after it."""

_EXAMPLE: Final = "'09:00-17:00', '09:00-12:00, 13:00-17:00', '22:00-06:00', '00:00-24:00' or 'closed'"

Span = tuple[int, int]
"""Minutes from the midnight that a day begins with; the end may be in the next day."""


def now() -> datetime:
    """The time. Every strategy that goes by the clock asks here, so that a sandbox can set it."""
    return datetime.now(UTC)


@attrs.frozen
class Schedule:
    """When it is open: hours of the week, and days that are exceptions.

        Schedule(
            "America/New_York",
            {"mon-fri": "09:00-17:00", "sat": "10:00-14:00"},
            exceptions={"2026-12-25": "closed", "2026-12-24": "09:00-12:00"},
        )

    What the clock on the wall of that zone shows decides, and nothing else. So where daylight saving begins, an hour that
    is skipped is never open; where it ends, one that comes twice is open both times, or neither.

    Attributes:
        time_zone: Its name in the IANA time zone database, such as "Europe/Berlin".
        weekly: Days, and when it is open on them. Days are "mon" to "sun", spans of them ("mon-fri", "sat-mon") and lists
            ("mon,wed"); a day that is not named is closed. Hours are spans ("09:00-17:00", or several with commas between
            them), "00:00-24:00" for the whole day, or "closed". A span over midnight ("22:00-06:00") belongs to the day it
            begins on.
        exceptions: Dates, as `date` or "2026-12-25", and when it is open on them instead. What began the evening before
            is not cut short by them.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    time_zone: str
    weekly: Mapping[str, str] = attrs.field(hash=False)
    exceptions: Mapping[date | str, str] = attrs.field(factory=dict, hash=False)
    _zone: ZoneInfo = attrs.field(init=False, repr=False, eq=False)
    _week: tuple[tuple[Span, ...], ...] = attrs.field(init=False, repr=False, eq=False)
    _dates: Mapping[date, tuple[Span, ...]] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        for name in ("weekly", "exceptions"):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                raise ConfigurationError(
                    f"{name}= takes days and hours, such as {_example_of(name)}, not {shown(value)}"
                )
            # A copy: what has been checked must not change afterwards.
            object.__setattr__(self, name, dict(value))
        object.__setattr__(self, "_zone", checked_time_zone(self.time_zone))
        object.__setattr__(self, "_week", checked_week(self.weekly))
        object.__setattr__(self, "_dates", checked_exceptions(self.exceptions))

    def is_open(self, at: datetime) -> bool:
        """Whether it is open at `at`, a moment with its time zone.

        Raises:
            ValueError: `at` has no time zone.
        """
        wall = _aware(at).astimezone(self._zone).replace(tzinfo=None)
        return any(begin <= wall < end for begin, end in self._on_the_wall(wall.date()))

    def opens_next(self, at: datetime) -> datetime | None:
        """The first moment from `at` on at which it is open, in its own time zone; None if it never is again.

        `at` itself where it is open then.

        Raises:
            ValueError: `at` has no time zone.
        """
        begin = _aware(at).astimezone(UTC)
        day = at.astimezone(self._zone).date()
        # The week repeats; what is later than the last exception by a week and a night has been seen before.
        last = min(max([day, *self._dates]), _LATEST) + timedelta(days=9)
        while day <= last:
            opening = min((max(opens, begin) for opens, closes in self._open_on(day) if closes > begin), default=None)
            if opening is not None:
                return opening.astimezone(self._zone)
            day += timedelta(days=1)
        return None

    def _on_the_wall(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """When it is open on `day`, by the clock on the wall; what began the day before included."""
        for begins_on in (day - timedelta(days=1), day):
            midnight = datetime(begins_on.year, begins_on.month, begins_on.day)
            for begin, end in self._dates.get(begins_on, self._week[begins_on.weekday()]):
                yield midnight + timedelta(minutes=begin), midnight + timedelta(minutes=end)

    def _open_on(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The same as moments, each within `day`, in UTC."""
        for first, after in self._stretches(day):
            offset = _offset(first, self._zone)
            for begin, end in self._on_the_wall(day):
                opens = max(begin.replace(tzinfo=UTC) - offset, first)
                closes = min(end.replace(tzinfo=UTC) - offset, after)
                if opens < closes:
                    yield opens, closes

    def _stretches(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The parts of `day`, in UTC, in which the clock on the wall is not changed: one, or two where it is."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        first = midnight.astimezone(UTC)
        after = (midnight + timedelta(days=1)).astimezone(UTC)
        if _offset(first, self._zone) == _offset(after - timedelta(seconds=1), self._zone):
            yield first, after
            return
        before, change = first, after
        while change - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(change - before) // timedelta(seconds=2))
            same = _offset(middle, self._zone) == _offset(first, self._zone)
            before, change = (middle, change) if same else (before, middle)
        yield first, change
        yield change, after


def checked_time_zone(name: Any) -> ZoneInfo:
    """Returns the time zone of that name.

    Raises:
        ConfigurationError: there is none; the message names the nearest one.
    """
    if isinstance(name, str):
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, KeyError):
            pass  # a folder of zones, no name of a file, not there
    nearest = nearest_time_zone(name) if isinstance(name, str) else None
    right = f"did you mean {nearest!r}?" if nearest else "write a name of the IANA database, such as 'Europe/Berlin'"
    raise ConfigurationError(f"time_zone= {shown(name)} is no time zone; {right}")


def nearest_time_zone(name: str) -> str | None:
    """The time zone that somebody who wrote `name` most probably means; None if there is none like it."""
    written = name.strip().replace(" ", "_").casefold()
    known = {zone.casefold(): zone for zone in sorted(available_timezones())}
    cities = {zone.rpartition("/")[2]: full for zone, full in known.items() if "/" in zone}
    for names in (known, cities):
        if written in names:
            return names[written]
    last = written.rpartition("/")[2]
    if "/" in written and last in cities:
        return cities[last]
    for names, wanted in ((known, written), (cities, last)):
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.75)
        if near:
            return names[near[0]]
    return None


def checked_week(weekly: Mapping[Any, Any]) -> tuple[tuple[Span, ...], ...]:
    """Returns the hours of each day of the week.

    Raises:
        ConfigurationError: a day or its hours are wrong; the message names it.
    """
    week: dict[int, tuple[Span, ...]] = {}
    named: dict[int, Any] = {}
    for days, hours in weekly.items():
        spans = checked_hours(hours, f"weekly= {shown(days)}")
        for day in _days(days):
            if day in week:
                raise ConfigurationError(
                    f"weekly= {shown(days)} and {shown(named[day])} both name {DAYS[day]!r}; name it once"
                )
            week[day], named[day] = spans, days
    return tuple(week.get(day, ()) for day in range(7))


def _days(days: Any) -> Iterator[int]:
    if not isinstance(days, str):
        raise ConfigurationError(f"weekly= {shown(days)} is no day; write days such as 'mon', 'mon-fri' or 'sat,sun'")
    for part in days.split(","):
        first, dash, last = (name.strip().lower() for name in part.partition("-"))
        for name in (first, last) if dash else (first,):
            if name not in _DAY_NAMES:
                near = difflib.get_close_matches(name, DAYS if len(name) < 5 else _DAY_NAMES, n=1)
                right = f"did you mean {near[0]!r}?" if near else "write days such as 'mon', 'mon-fri' or 'sat,sun'"
                raise ConfigurationError(f"weekly= {shown(days)}: {shown(name)} is no day of the week; {right}")
        begin = _DAY_NAMES[first]
        end = _DAY_NAMES[last] if dash else begin
        yield from ((begin + number) % 7 for number in range((end - begin) % 7 + 1))


def checked_exceptions(exceptions: Mapping[Any, Any]) -> dict[date, tuple[Span, ...]]:
    """Returns the hours of each date.

    Raises:
        ConfigurationError: a date or its hours are wrong; the message names it.
    """
    dates: dict[date, tuple[Span, ...]] = {}
    for written, hours in exceptions.items():
        day = _date(written)
        if day in dates:
            raise ConfigurationError(f"exceptions= names {day} twice; name it once")
        dates[day] = checked_hours(hours, f"exceptions= '{day}'")
    return dates


def _date(written: Any) -> date:
    if isinstance(written, date) and not isinstance(written, datetime):
        return written
    # Python takes "20261225" and "2026-W52-5" as well, which nobody reads at a glance.
    if isinstance(written, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", written, re.ASCII):
        try:
            return date.fromisoformat(written)
        except ValueError as error:
            raise ConfigurationError(f"exceptions= '{written}' is no date: {error}") from None
    raise ConfigurationError(f"exceptions= {shown(written)} is no date; write year-month-day, such as '2026-12-25'")


def checked_hours(hours: Any, where: str) -> tuple[Span, ...]:
    """Returns the hours of one day.

    Raises:
        ConfigurationError: they are none; the message begins with `where`.
    """
    if not isinstance(hours, str):
        raise ConfigurationError(f"{where}: {shown(hours)} are no hours; write {_EXAMPLE}")
    if hours.strip().lower() == _CLOSED:
        return ()
    spans = sorted(_span(part.strip(), where) for part in hours.split(","))
    for (_, end), (begin, _) in pairwise(spans):
        if begin < end:
            raise ConfigurationError(f"{where}: the spans of {hours!r} overlap; write each hour once")
    return tuple(spans)


def _span(text: str, where: str) -> Span:
    found = _SPAN.fullmatch(text)
    if not found:
        # What is plainly hours is shown as it is: masked as a number might be, nobody would find the mistake.
        written = repr(text) if _NEARLY_SPAN.fullmatch(text) else shown(text)
        raise ConfigurationError(f"{where}: {written} is no span of hours; write {_EXAMPLE}")
    hour, minute, last_hour, last_minute = map(int, found.groups())
    begin, end = 60 * hour + minute, 60 * last_hour + last_minute
    if minute > 59 or last_minute > 59 or begin >= _MIDNIGHT or end > _MIDNIGHT:
        raise ConfigurationError(f"{where}: '{text}' has a time that does not exist; a day is from 00:00 to 24:00")
    if begin == end:
        raise ConfigurationError(f"{where}: '{text}' has no length; write '00:00-24:00' for the whole day, or 'closed'")
    return begin, end if end > begin else end + _MIDNIGHT


def _aware(at: datetime) -> datetime:
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise ValueError("at= is a moment with its time zone, such as datetime.now(UTC)")
    return at


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    # Never None: a zone of the database always has one.
    return at.astimezone(zone).utcoffset() or timedelta()


def _example_of(name: str) -> str:
    return "{'mon-fri': '09:00-17:00'}" if name == "weekly" else "{'2026-12-25': 'closed'}"
