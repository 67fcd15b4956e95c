"""Every figure that Parley quotes, one module each. `make bench` runs them all and writes the benchmarks page."""
