import pytest

from dispatcher.results.sealing import ENDED, QUEUED, SealBrokenError, seal, unseal

VALUE = seal("job:1", b'{"id":"1"}', rank=ENDED, looked_at=1_700_000_000.9)


def test_a_value_says_what_was_kept() -> None:
    sealed = unseal("job:1", VALUE)
    assert (sealed.rank, sealed.looked_at, sealed.document) == (ENDED, 1_700_000_000, b'{"id":"1"}')


def test_the_first_byte_is_the_rank_that_scripts_compare() -> None:
    assert VALUE[:1] == b"2" > seal("job:1", b"", rank=QUEUED, looked_at=0)[:1]


def test_a_value_of_another_key_is_refused() -> None:
    with pytest.raises(SealBrokenError):
        unseal("job:2", VALUE)


@pytest.mark.parametrize("place", range(len(VALUE)))
def test_a_value_with_any_byte_changed_is_refused(place: int) -> None:
    changed = VALUE[:place] + bytes([VALUE[place] ^ 1]) + VALUE[place + 1 :]
    with pytest.raises(SealBrokenError):
        unseal("job:1", changed)


@pytest.mark.parametrize("length", range(len(VALUE)))
def test_a_value_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(SealBrokenError):
        unseal("job:1", VALUE[:length])
