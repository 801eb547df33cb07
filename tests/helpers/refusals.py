"""What a refusal looks like: the right type, and one sentence with the rule, the values and a remedy."""

import pytest

__all__ = ["assert_refused"]


def assert_refused(kind, call, *said):
    """Call, and check the exception's exact type and what its one sentence says."""
    with pytest.raises(Exception) as refusal:
        call()
    error = refusal.value
    assert type(error) is kind, f"{type(error).__name__}: {error}"
    assert len(error.args) == 1
    message = str(error)
    for part in said:
        assert str(part) in message, message
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message.rstrip("."), "more than one sentence"
