"""Whether somebody heard what was not meant for them."""

from calltransfer.sandbox import Target

FADES = 1.0
"""Seconds of wordless sound that a target may hear at a time: the SDK fades speech that is cut off for 0.4 s, and it can
be cut off twice in a row."""


def is_of(heard: str, text: str) -> bool:
    """Whether what was heard has `text` in it, or is some of it: two words may be those of any sentence."""
    return text in heard or (heard.count(" ") >= 2 and heard in text)


def longest_music(target: Target) -> float:
    """The longest time, in seconds, of sound without words."""
    longest = music = 0.0
    for begin, end in target.audible:
        music = 0.0
        while begin < end:
            step = min(0.1, end - begin)
            music = music + step if target.music_heard(begin, begin + step) >= step - 0.01 else 0.0
            longest = max(longest, music)
            begin += step
    return longest
