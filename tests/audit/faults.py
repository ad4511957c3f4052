"""Engines that break their promise, each in one way: the audit must find every one of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.audit.reference import Reference, float_noise

Fault = Callable[[Reference], Reference]

FAULTS: Mapping[str, Fault] = {
    "noise for half of the sensitivity": lambda sound: replace(sound, sensitivity=sound.sensitivity / 2),
    "one release twice, with new noise": lambda sound: replace(sound, publications=2),
    "noise drawn as a float": lambda sound: replace(sound, noise=float_noise),
    "a unit counted twice": lambda sound: replace(sound, weight=2.0),
    "an exact k decides what is released": lambda sound: replace(sound, fewest=7),
    "too many groups a unit": lambda sound: replace(sound, kept_groups=4),
    "one person under two keys": lambda sound: replace(sound, same_person=lambda unit: unit),
    "the same noise for all groups": lambda sound: replace(sound, shared_noise=True),
    "no clamp": lambda sound: replace(sound, most=1e9),
}
