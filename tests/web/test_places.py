"""Places of streams: bounded for each person, and the newest always has one."""

from __future__ import annotations

from collections.abc import Iterator

from project.web.places import Place, Places


def events(place: Place) -> Iterator[str]:
    while not place.displaced:
        yield "still"


def test_newest_takes_the_place_of_the_oldest() -> None:
    places = Places(2)
    first, second, third = (places.hold("ann", events) for _ in range(3))
    other = places.hold("bob", events)
    assert places.count("ann") == 2
    assert list(first) == []
    assert [next(stream) for stream in (second, third, other)] == ["still"] * 3


def test_place_is_given_back_once_begun_or_not() -> None:
    places = Places(2)
    begun, not_begun = places.hold("ann", events), places.hold("ann", events)
    next(begun)
    for stream in (begun, not_begun, begun):
        stream.close()
    assert places.count("ann") == 0
    displaced, *_ = (places.hold("ann", events) for _ in range(3))
    displaced.close()
    assert places.count("ann") == 2
