"""Is a node fit to serve: probes, rise and fall, load readings."""
