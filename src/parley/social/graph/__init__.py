"""The graph: who follows, blocks, mutes and lists whom."""
