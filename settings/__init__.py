"""Configuration loading and the types every other package builds on."""
