"""Outside models: a larger model than the shipped one, asked about what is published, after it is published."""
