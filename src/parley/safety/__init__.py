"""People decide: reports today; cases, decisions and appeals build on them."""
