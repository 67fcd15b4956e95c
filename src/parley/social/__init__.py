"""The network: the rooms that own accounts, statuses and what people do with them."""
