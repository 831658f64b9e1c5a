"""Who goes when there are too many connections."""

from dataclasses import dataclass, field

from dispatcher.api.guards.crowd import Crowd


@dataclass
class Guest:
    since: float
    quiet: bool = True
    has_left: bool = False

    def is_quiet(self) -> bool:
        return self.quiet and not self.has_left

    def quiet_since(self) -> float:
        return self.since

    def leave(self) -> None:
        self.has_left = True


@dataclass
class House:
    guests: list[Guest]
    most: int = 0
    now: float = 100.0
    crowd: Crowd = field(init=False)

    def __post_init__(self) -> None:
        self.crowd = Crowd(self.most, clock=lambda: self.now)

    def has_room(self) -> bool:
        return self.crowd.make_room(self.guests, count=len(self.guests))

    def left(self) -> list[float]:
        return [guest.since for guest in self.guests if guest.has_left]


def test_those_who_have_been_quiet_longest_go_first() -> None:
    house = House([Guest(since=float(-number)) for number in range(40)], most=39)
    assert house.has_room()
    assert house.left() == [-37.0, -38.0, -39.0]


def test_as_many_as_may_be_are_left_alone() -> None:
    house = House([Guest(since=1.0)] * 40, most=40)
    assert house.has_room()
    assert house.left() == []


def test_nobody_is_interrupted() -> None:
    house = House([Guest(since=1.0, quiet=False), Guest(since=2.0)], most=1)
    assert house.has_room()
    assert house.left() == [2.0]


def test_where_nobody_is_quiet_there_is_no_room() -> None:
    house = House([Guest(since=1.0, quiet=False)] * 5)
    assert not house.has_room()


def test_many_newcomers_at_once_do_not_empty_the_house() -> None:
    house = House([Guest(since=float(number)) for number in range(160)], most=159)
    assert all(house.has_room() for _ in range(100))
    assert len(house.left()) == 11
    house.now += 1
    assert house.has_room()
    assert len(house.left()) == 22
