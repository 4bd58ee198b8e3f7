"""Configuration loading and the types every other package builds on."""

from settings.errors import ConfigError, Problem
from settings.types import Model, seconds

__all__ = ["ConfigError", "Model", "Problem", "seconds"]

from settings import twins

twins.choose()
